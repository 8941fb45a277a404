"""Private elements that the Retain Safe Private Option keeps (PS3.15 E.3.10 and Table E.3.10-1)."""

from imaging.dictionary import is_private
from imaging.profile import safe_private
from imaging.structure import Element


class PrivateBlocks:
    """The private blocks of one data set, each reserved by its creator element (PS3.5 7.8.1)."""

    def __init__(self, elements: list[Element]) -> None:
        self._creators = {
            (element.tag >> 16, element.tag & 0xFF): bytes(element.value).strip(b" \0").decode("latin-1")
            for element in elements
            if _reserves(element)
        }

    def safe_vr(self, element: Element) -> str:
        """The VR under which the element is known to be safe, "creator" for a creator with safe ones, else ""."""
        group, number = element.tag >> 16, element.tag & 0xFFFF
        if _reserves(element):
            creator = self._creators[group, number]
            return "creator" if any(key[0] == group and key[2] == creator for key in safe_private()) else ""
        creator = self._creators.get((group, number >> 8), "")
        vr = safe_private().get((group, number & 0xFF, creator), "")
        return vr if element.vr in (vr, "", "UN") else ""

    @staticmethod
    def without_idle_creators(cleaned: list[Element]) -> list[Element]:
        """The data set without the creators none of whose elements stayed."""
        used = {
            (element.tag >> 16, (element.tag & 0xFFFF) >> 8)
            for element in cleaned
            if is_private(element.tag) and not _reserves(element)
        }
        return [
            element for element in cleaned if not _reserves(element) or (element.tag >> 16, element.tag & 0xFF) in used
        ]


def _reserves(element: Element) -> bool:
    return is_private(element.tag) and 0x10 <= element.tag & 0xFFFF <= 0xFF and element.items is None
