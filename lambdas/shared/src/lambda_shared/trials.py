"""A trial of two model versions on one endpoint: how its endpoint configuration is called, so that a name says it.

ModelRegistry makes the configuration, ModelEvaluation judges what the variants answered. An endpoint that is in no
trial serves one version and has a configuration of another form.
"""

from __future__ import annotations

import re
from typing import Final

CHAMPION: Final = "primary"
"""Variant of the version in service, in a trial and outside of one."""
CHALLENGER: Final = "challenger"
MAX_NAME: Final = 63  # SageMaker names
_FORM: Final = re.compile(r"-v([0-9]+)(?:-v([0-9]+))?-[0-9a-f]{8}$")


def config_name(endpoint: str, champion: int, challenger: int, digest: str) -> str:
    """Name of the configuration of a trial; `digest` has eight hexadecimal digits."""
    tail = f"-v{champion}-v{challenger}-{digest}"
    return f"{endpoint[: MAX_NAME - len(tail)]}{tail}"


def versions_of(config: str) -> tuple[int, ...]:
    """The versions that a configuration serves, the champion first: one, in a trial two; none of another form."""
    found = _FORM.search(config)
    return tuple(int(number) for number in found.groups() if number) if found else ()


def pair_of(config: str) -> tuple[int, int] | None:
    """Champion and challenger of a configuration; None where it is of no trial."""
    served = versions_of(config)
    return (served[0], served[1]) if len(served) == 2 else None
