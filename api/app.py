"""The application: routes, errors, and the ports it is given."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api import assignments, delivery, labels, operations, predictions, problems, studies
from api.models import Problem
from api.ports import Ports

DESCRIPTION = (
    "Upload DICOM, read studies by pseudonym, verify ground truth, follow models and training runs. "
    "Sign in with Cognito; every read of study data is recorded with the person."
)
PROBLEM = {"model": Problem, "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def create_app(ports: Ports, origins: Sequence[str] = ()) -> FastAPI:
    """The API over its ports; the same in Lambda, in a container and in tests.

    Args:
        origins: https origins whose pages may read the answers. API Gateway answers the preflight; a proxied answer is
            the function's own, so the header that lets a page read it has to come from here.
    """
    app = FastAPI(
        title="Radiologist API",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # the document is committed and published with the docs, not served beside PHI
        responses={
            "4XX": {**PROBLEM, "description": "The request is at fault"},
            "5XX": {**PROBLEM, "description": "The platform is at fault"},
            422: {**PROBLEM, "description": "The request does not have the agreed form"},
        },
    )
    app.state.ports = ports
    problems.install(app)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["DELETE", "GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.include_router(studies.router)
    app.include_router(labels.router)
    app.include_router(predictions.router)
    app.include_router(assignments.router)
    app.include_router(delivery.router)
    app.include_router(operations.router)
    return app
