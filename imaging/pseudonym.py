"""Pseudonyms by keyed hash: the same in every process, no table of who is who, nothing to guess without the key.

HMAC-SHA-256 (FIPS 198-1) of a domain and a value. The key is one secret of the platform (32 random bytes);
whoever holds it can recompute pseudonyms from identifiers, nobody can go back.
"""

import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Domain = Literal["patient", "study", "series", "image"]
MINIMUM_KEY_BYTES: Final = 32
KEY_CHARACTERS: Final = 32
_REMEMBERED: Final = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudonymKeys:
    """Pseudonyms of one image and of what it belongs to, 32 hex digits each."""

    patient: str
    study: str
    series: str
    image: str


def key_from_secret(secret: str) -> bytes:
    """The key held as hex text in the secret store.

    Raises:
        ValueError: not hex, or shorter than 32 bytes; the text is not repeated.
    """
    try:
        key = bytes.fromhex(secret.strip())
    except ValueError:
        raise ValueError("the pseudonym key is not hex text") from None
    _check_key(key)
    return key


def key_from_file(content: bytes) -> bytes:
    """The key in a file: hex text as in the secret store, else the bytes as they are.

    Raises:
        ValueError: shorter than 32 bytes.
    """
    text = content.decode("latin-1").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = content
    _check_key(key)
    return key


def _check_key(key: bytes) -> None:
    if len(key) < MINIMUM_KEY_BYTES:
        raise ValueError(f"the pseudonym key needs at least {MINIMUM_KEY_BYTES} bytes")


class Pseudonymizer:
    """Pseudonyms, replacement UIDs and date shifts under one key."""

    def __init__(self, key: bytes) -> None:
        _check_key(key)
        self._key = key
        # a study's patient and references repeat in each of its images
        self.uid = lru_cache(maxsize=_REMEMBERED)(self._uid)
        self.pseudonym = lru_cache(maxsize=_REMEMBERED)(self._pseudonym)
        self.date_shift_days = lru_cache(maxsize=_REMEMBERED)(self._date_shift_days)

    def __repr__(self) -> str:
        return "Pseudonymizer(key hidden)"

    def _digest(self, message: str) -> bytes:
        return hmac.digest(self._key, message.encode(), "sha256")

    def _pseudonym(self, domain: Domain, value: str) -> str:
        """First 32 hex digits of the HMAC of `domain:value`; surrounding blanks do not count (PS3.5 6.2)."""
        return self._digest(f"{domain}:{value.strip()}").hex()[:KEY_CHARACTERS]

    def label(self, value: str) -> str:
        """Twelve upper-case hex digits for a name that other attributes refer to, fit for VR CS."""
        return self._digest(f"label:{value.strip()}").hex()[:12].upper()

    def _uid(self, uid: str) -> str:
        """Replacement UID: 128 bits of the HMAC as a UUID-derived UID (PS3.5 B.2)."""
        return f"2.25.{int.from_bytes(self._digest(f'uid:{uid.strip()}')[:16], 'big')}"

    def _date_shift_days(self, patient_id: str) -> int:
        """Days, 1 to 365, that every date of a patient moves back; intervals within the patient stay true."""
        return 1 + int.from_bytes(self._digest(f"date:{patient_id.strip()}")[:8], "big") % 365

    def keys(self, *, patient_id: str, study_uid: str, series_uid: str, image_uid: str) -> PseudonymKeys:
        """The four pseudonyms of an image.

        An image without a patient ID gets its study for a patient: one shared pseudonym for all such images would
        join strangers, and split no patient between training and test set.
        """
        return PseudonymKeys(
            patient=self.pseudonym("patient", subject(patient_id, study_uid)),
            study=self.pseudonym("study", study_uid),
            series=self.pseudonym("series", series_uid),
            image=self.pseudonym("image", image_uid),
        )


@lru_cache(maxsize=4)
def pseudonymizer(key: bytes) -> Pseudonymizer:
    """The pseudonymizer of a key, the same one for all objects of a process."""
    return Pseudonymizer(key)


def subject(patient_id: str, study_uid: str) -> str:
    """What stands for the patient: the patient ID, else the study."""
    return patient_id.strip() or f"unidentified/{study_uid.strip()}"
