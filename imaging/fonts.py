"""Names of fonts in text styles (PS3.3 C.10.5.1.1.4): families that people know, and nothing that somebody typed.

A font is named by whoever installed it, so a name of no known family may be anybody's. Text keeps its place in a
family that every reader has.
"""

import re
from typing import Final

STAND_INS: Final = {0x00700227: b"Helvetica", 0x00700229: b"sans-serif"}
"""For Font Name one that every PDF reader has, for CSS Font Name a generic family."""
_FAMILIES: Final = frozenset(
    (
        *("serif", "sansserif", "monospace", "cursive", "fantasy", "systemui"),  # the generic ones of CSS
        *("times", "timesroman", "helvetica", "courier", "symbol", "zapfdingbats"),  # those that every PDF reader has
        *("arial", "arialblack", "arialnarrow", "arialunicodems", "calibri", "cambria", "comicsans", "comicsansms"),
        *("consolas", "couriernew", "georgia", "impact", "lucidaconsole", "lucidasans", "palatino", "segoeui"),
        *("tahoma", "timesnewroman", "trebuchet", "trebuchetms", "verdana", "msgothic", "msmincho", "msungothic"),
        *("mssansserif", "microsoftsansserif", "simhei", "simsun", "malgungothic", "gulim", "batang", "meiryo"),
        *("dejavusans", "dejavusansmono", "dejavuserif", "liberationmono", "liberationsans", "liberationserif"),
        *("bitstreamverasans", "freemono", "freesans", "freeserif", "nimbussans", "notosans", "notosansmono"),
        *("notoserif", "opensans", "roboto", "robotomono", "ubuntu"),
    )
)
_STYLE: Final = re.compile(r"(?:(?:ps|mt|std|pro)|(?:regular|normal|bold|italic|oblique|light|medium|black)){0,5}")
_SIGNS: Final = re.compile(r"[ \-\"'\0]+")
_LONGEST: Final = 64


def is_known(value: bytes) -> bool:
    """Whether a name, or each of a list as CSS writes it, is a known family with nothing but a style behind it."""
    if len(value) > _LONGEST:
        return False
    names = value.decode("latin-1").lower().split(",")
    return all(_is_family_or_style(_SIGNS.sub("", name)) for name in names)


def _is_family_or_style(name: str) -> bool:
    """The name without its signs; a style may stand alone, as in "Arial,Bold", and so may nothing."""
    ends = (end for end in range(len(name) + 1) if end == 0 or name[:end] in _FAMILIES)
    return any(_STYLE.fullmatch(name[end:]) for end in ends)
