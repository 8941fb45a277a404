"""Free text reduced to words that describe images and name nobody (Clean Descriptors Option, PS3.15 E.3.5).

An allow-list: a word stays when it is in the vocabulary, everything else goes, so that no list of names has to
be complete. Words that are also surnames (Long, Field, Stein, Bone) are left out of `data/vocabulary.txt`.
"""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_NUMBER: Final = re.compile(r"\d{1,3}(?:mm|cm|kv|mas|ms|s|min|deg|d|w|h)?")


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """The words that may stay, lower case."""
    lines = files("imaging").joinpath("data/vocabulary.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def reduced(text: str) -> str:
    """The words of the vocabulary and numbers of at most three digits, joined by single blanks."""
    words = _WORD.findall(text)
    return " ".join(word for word in words if word.lower() in vocabulary() or _NUMBER.fullmatch(word.lower()))
