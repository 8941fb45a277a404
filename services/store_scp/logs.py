"""Log lines as JSON: an event of a fixed name with fields of ours. Nothing that a peer sends is ever logged.

pynetdicom's and pydicom's own loggers quote titles, UIDs and elements in their messages, so they are switched off.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Final

SILENCED: Final = ("pynetdicom", "pydicom", "boto3", "botocore", "urllib3")
_LOGGER = logging.getLogger("store_scp")


def configure() -> None:
    """Call once in each process, before anything listens."""
    for name in SILENCED:
        library = logging.getLogger(name)
        library.handlers = [logging.NullHandler()]
        library.propagate = False
        library.setLevel(logging.CRITICAL + 1)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _LOGGER.handlers = [handler]
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.INFO)


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """One line. Fields are names of configured peers, codes, counts and times."""
    if _LOGGER.isEnabledFor(level):
        head = {"time": round(time.time(), 3), "level": logging.getLevelName(level), "event": name}
        _LOGGER.log(level, json.dumps({**head, **fields}, separators=(",", ":"), default=str))


def problem(name: str, **fields: Any) -> None:
    """A line that somebody should look at."""
    event(name, level=logging.WARNING, **fields)


def raw(line: str) -> None:
    """A line that is JSON already: the embedded metric format."""
    _LOGGER.info(line)
