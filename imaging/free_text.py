"""Free text reduced to words that describe images and name nobody (Clean Descriptors Option, PS3.15 E.3.5).

An allow-list: a word stays when it is in the vocabulary, everything else goes, so that no list of names has to
be complete. Words that are also surnames (Long, Field, Stein, Bone) are left out of `data/vocabulary.txt`.
"""

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from importlib.resources import files
from typing import Final

from imaging.dictionary import concepts

_WORD: Final = re.compile(r"\d{1,3}\.\d{1,3}(?:mm|cm)\b|[^\W_]+(?:-[^\W_]+)*")
_MEASURE: Final = re.compile(r"\d{1,3}(?:\.\d{1,3})?(?:mm|cm|kv|mas|ms|s|min|deg|d|w|h)")
_NUMBER: Final = re.compile(r"\d{1,3}")
_UNIT: Final = re.compile(
    r"(?:deca|deci|centi|milli|micro|nano|pico|kilo|mega|giga)?-?(?:meter|metre|gram|second|volt|ampere|hertz|liter|litre|mole"
    r"|newton|pascal|joule|watt|gray|sievert|becquerel|tesla|kelvin|electronvolt|equivalent)s?|per|square|cubic|no|units?"
)


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """The words that may stay, lower case."""
    lines = files("imaging").joinpath("data/vocabulary.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def reduced(text: str) -> str:
    """The words of the vocabulary, measures and lone numbers of at most three digits, joined by single blanks."""
    words = _WORD.findall(text)
    kept = [word if _may_stay(words, at, vocabulary()) else "" for at, word in enumerate(words)]
    return " ".join(filter(None, kept))


def _may_stay(words: list[str], at: int, allowed: AbstractSet[str]) -> bool:
    """Numbers side by side are a telephone number, a date or a patient number that somebody wrote in groups."""
    word = words[at].lower()
    if _NUMBER.fullmatch(word):
        beside = (*words[max(at - 1, 0) : at], *words[at + 1 : at + 2])
        return not any(other[0].isdigit() or other[-1].isdigit() for other in beside)
    return word in allowed or _MEASURE.fullmatch(word) is not None


@lru_cache(maxsize=1)
def _concept_words() -> frozenset[str]:
    """Every word in the meanings of the coded concepts of PS3.16, besides the vocabulary."""
    meanings = (meaning for codes in concepts().values() for meaning in codes)
    return vocabulary() | {word.lower() for meaning in meanings for word in _WORD.findall(meaning)}


@lru_cache(maxsize=4096)
def names_a_concept(meaning: str) -> bool:
    """Whether the meaning of a code of a published scheme is made of nothing but words that PS3.16 uses."""
    words = [word for word in _WORD.findall(meaning) if not _UNIT.fullmatch(word.lower())]
    places = range(len(words))
    return all(_may_stay(words, at, vocabulary()) for at in places) or all(
        _may_stay(words, at, _concept_words()) for at in places
    )
