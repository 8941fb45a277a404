"""HealthImaging stand-in: the `medical-imaging` API (2023-07-19) as boto3 calls it, for the embedded AWS.

Not served: UpdateImageSetMetadata, CopyImageSet, importConfiguration, JPEG_2000_LOSSLESS storage, the DICOMweb host.
"""

# pyright: reportMissingImports=false
# ministack lives in the environment of the embedded AWS only.

from __future__ import annotations

import asyncio
import contextvars
import os
from pathlib import Path
from typing import Any

from local.healthimaging.wire import SERVICE, Answer


class Installed:
    """The running service, for the launcher."""

    def __init__(self, service: Any) -> None:
        self._service = service

    def resume(self) -> None:
        """Begin to import: once the embedded AWS answers."""
        self._service.start()

    def stop(self) -> None:
        """End the import threads."""
        self._service.stop()


def install(app: Any, router: Any, state_dir: Path) -> Installed:
    """Register the service with ministack; its state lives below `state_dir`."""
    from local.aws import cloud_control as cloud_control_api
    from local.healthimaging import cloud_control
    from local.healthimaging.adapters import DefaultBus, RequestAccess, StsRoles
    from local.healthimaging.service import Service

    account, region = os.environ["MINISTACK_ACCOUNT_ID"], os.environ["MINISTACK_REGION"]
    endpoint = f"https://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    access = RequestAccess(region)
    service = Service(
        state_dir,
        f"arn:aws:{SERVICE}:{region}:{account}",
        events=DefaultBus(region, account),
        roles=StsRoles(endpoint, os.environ["AWS_CA_BUNDLE"], region, account),
        access=access,
    )

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        access.enter(router.extract_access_key_id(headers, query))
        # Off the event loop: a request may read a frame or wait for the store.
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            None, lambda: context.run(service.handle, method, path, query, body)
        )

    app.SERVICE_HANDLERS[SERVICE] = handle
    router.SERVICE_PATTERNS[SERVICE] = {"host_patterns": [r"medical-imaging\."]}
    cloud_control_api.register(cloud_control.TYPE_NAME, cloud_control.Datastore(service))
    return Installed(service)
