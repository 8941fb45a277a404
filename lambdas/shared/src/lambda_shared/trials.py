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
_FORM: Final = re.compile(r"-v(\d+)-v(\d+)-[0-9a-f]{8}$")


def config_name(endpoint: str, champion: int, challenger: int, digest: str) -> str:
    """Name of the configuration of a trial; `digest` has eight hexadecimal digits."""
    tail = f"-v{champion}-v{challenger}-{digest}"
    return f"{endpoint[: MAX_NAME - len(tail)]}{tail}"


def pair_of(config: str) -> tuple[int, int] | None:
    """Champion and challenger of a configuration; None where it is of no trial."""
    found = _FORM.search(config)
    return (int(found[1]), int(found[2])) if found else None
