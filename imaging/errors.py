"""Why an object is refused: one exception with a stable code and no value of the object in it."""

from enum import StrEnum


class ReasonCode(StrEnum):
    """Stable machine codes of every refusal; tables, alarms and tests are keyed by them."""

    EMPTY = "EMPTY"
    UNREADABLE = "UNREADABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    NOT_DICOM = "NOT_DICOM"
    TOO_LARGE = "TOO_LARGE"
    EXECUTABLE_PREAMBLE = "EXECUTABLE_PREAMBLE"
    TRUNCATED = "TRUNCATED"
    MALFORMED = "MALFORMED"
    UNSUPPORTED_TRANSFER_SYNTAX = "UNSUPPORTED_TRANSFER_SYNTAX"
    INFLATE_LIMIT = "INFLATE_LIMIT"
    NESTING_LIMIT = "NESTING_LIMIT"
    ELEMENT_LIMIT = "ELEMENT_LIMIT"
    PIXEL_LENGTH = "PIXEL_LENGTH"
    PIXEL_LIMIT = "PIXEL_LIMIT"
    NO_PIXELS = "NO_PIXELS"
    MISSING_ATTRIBUTE = "MISSING_ATTRIBUTE"
    BAD_VALUE = "BAD_VALUE"
    BAD_UID = "BAD_UID"
    META_MISMATCH = "META_MISMATCH"
    UNKNOWN_SOP_CLASS = "UNKNOWN_SOP_CLASS"
    # de-identification
    BURNED_IN_ANNOTATION = "BURNED_IN_ANNOTATION"
    PIXEL_RISK = "PIXEL_RISK"
    ENCAPSULATED_DOCUMENT = "ENCAPSULATED_DOCUMENT"
    STRUCTURED_REPORT = "STRUCTURED_REPORT"
    DICOM_DIRECTORY = "DICOM_DIRECTORY"
    UNCLEANABLE_SOP_CLASS = "UNCLEANABLE_SOP_CLASS"
    UNCLEANABLE_PIXELS = "UNCLEANABLE_PIXELS"
    RESIDUAL_IDENTIFIER = "RESIDUAL_IDENTIFIER"


class ImageRejected(Exception):  # noqa: N818 - a verdict on the object, not a fault of the program
    """An object was refused.

    Nothing in it repeats a value of the object, so that it may be logged, stored and shown.

    Attributes:
        code: stable reason, see `ReasonCode`.
        tag_keyword: keyword of the attribute at fault (PS3.6), or "" when the file as a whole is.
        rule: the clause or limit that was broken, for example "PS3.10 7.1".
        sentence: one sentence for a person.
    """

    def __init__(self, code: ReasonCode, tag_keyword: str, rule: str, sentence: str) -> None:
        self.code = code
        self.tag_keyword = tag_keyword
        self.rule = rule
        self.sentence = sentence
        super().__init__(f"{code.value} {tag_keyword} [{rule}] {sentence}".replace("  ", " "))

    def __reduce__(self) -> tuple[type["ImageRejected"], tuple[ReasonCode, str, str, str]]:
        return type(self), (self.code, self.tag_keyword, self.rule, self.sentence)
