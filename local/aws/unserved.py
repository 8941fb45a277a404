"""Services that nothing here serves: refused at once and by name.

Without this, ministack loads every botocore model (8 s, 400 MB) to find out whether a name is a service.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def service_names() -> frozenset[str]:
    """Names of all AWS services as botocore's data folder spells them; folder names only, no model is read."""
    import botocore

    data = Path(botocore.__file__).parent / "data"
    return frozenset(entry.name for entry in data.iterdir() if entry.is_dir())


# Signing names that differ from botocore's folder names, for services near this project's subject.
_SIGNING_NAMES = frozenset(
    {"aps", "aws-marketplace", "bedrock", "es", "execute-api", "mobiletargeting", "monitoring", "access-analyzer"}
)


def install(app: Any, router: Any) -> None:
    """Make an unknown service an answer that boto3 shows, in the time of a dictionary look-up."""
    router._is_aws_service_name = lambda name: name in service_names() or name in _SIGNING_NAMES
    dispatch = app._dispatch_service_request

    async def refuse_unserved(method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any) -> Any:
        service = router.detect_service(method, path, headers, rest[0])
        if service in app.SERVICE_HANDLERS:
            return await dispatch(method, path, headers, body, *rest)
        message = f"The embedded AWS does not serve {service!r}: leave it out of the local stack by configuration."
        answer = {"__type": "UnknownOperationException", "message": message}
        return 400, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    app._dispatch_service_request = refuse_unserved
