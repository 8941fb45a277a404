"""SageMaker stand-in: pipelines, jobs, model registry, endpoints and their scaling as boto3 calls them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.sagemaker.service import SageMaker


def install(
    app: Any,
    router: Any,
    state_dir: Path,
    train_python: Path | str | None,
    *,
    endpoint: str | None = None,
    ca_bundle: Path | None = None,
    region: str | None = None,
    account: str | None = None,
) -> SageMaker:
    """Register the service with ministack. What is not given is taken from the environment that ministack reads.

    The caller runs `resume()` of the answer once it serves requests, and `stop()` before it ends.
    """
    from local.sagemaker import scaling
    from local.sagemaker.adapters.embedded import EmbeddedCloud
    from local.sagemaker.context import Context
    from local.sagemaker.names import Scope
    from local.sagemaker.ports import SystemClock
    from local.sagemaker.service import SageMaker
    from local.sagemaker.state import Store

    scope = Scope(region or os.environ["MINISTACK_REGION"], account or os.environ["MINISTACK_ACCOUNT_ID"])
    url = endpoint or f"https://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    context = Context(
        scope=scope,
        store=Store(state_dir / "records"),
        cloud=EmbeddedCloud(scope, url, ca_bundle or Path(os.environ["AWS_CA_BUNDLE"])),
        clock=SystemClock(),
        folder=state_dir.resolve(),
        train_python=str(train_python) if train_python else None,
    )
    service = SageMaker(context, router.extract_access_key_id)
    app.SERVICE_HANDLERS["sagemaker"] = service.handle
    router.SERVICE_PATTERNS["sagemaker"] = {
        "target_prefixes": ["SageMaker."],
        "host_patterns": [r"runtime\.sagemaker\.", r"api\.sagemaker\."],
    }
    app.SERVICE_HANDLERS[scaling.SERVICE] = service.handle
    router.SERVICE_PATTERNS[scaling.SERVICE] = {"target_prefixes": [f"{scaling.TARGET}."]}
    return service
