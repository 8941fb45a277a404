"""What cleaning has worked out and need not work out again: by tag and VR, and by the very bytes of an element."""

from typing import Final, NamedTuple

from imaging.forms import Form
from imaging.profile import Action, Option
from imaging.structure import Bytes, Element


class Plan(NamedTuple):
    """What happens to every element of one tag and VR under some options.

    Attributes:
        label: how it is counted.
        touched: keyword for the audit record, "" when the value stays.
        kept_as_it_is: the value stays if it has the form, unless an identifier of the object stands in a kept value.
        form: what the value is then looked at for, "" for nothing.
        depends_on_value: the plan holds for this value only.
        done: the action's name, as it is written to the audit record.
        same_for_all: every such element becomes the same, whatever its value.
        stand_in: what it then becomes, None where it goes.
    """

    action: Action
    label: str
    touched: str
    kept_as_it_is: bool
    depends_on_value: bool
    form: Form = ""
    done: str = ""
    same_for_all: bool = False
    stand_in: Element | None = None


class Decision(NamedTuple):
    """What becomes of an element whatever else the object holds.

    Attributes:
        label: how it is counted.
        touched, done: keyword and action for the audit record, "" when the value stays.
        result: None where it goes.
    """

    label: str
    touched: str
    done: str
    result: Element | None


DECIDED: Final[dict[tuple[frozenset[Option], bool, bool], dict[Bytes, Decision]]] = {}
"""Decisions on short elements by their bytes, under options, byte order, and whether identifiers are looked for."""
PLANS: Final[dict[frozenset[Option], dict[tuple[int, str], Plan]]] = {}
"""Plans by options, tag and VR: those of PS3.6, and of others a bounded number."""
MOST_PLANS: Final = 20_000
