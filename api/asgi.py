"""Entry point in a container: `uvicorn api.asgi:application --factory`.

Who asks is known from API Gateway's authorizer alone, so behind anything else every route but /health answers 401.
"""

from __future__ import annotations

from fastapi import FastAPI

from api.app import create_app
from api.lambda_handler import build_ports
from api.settings import Settings


def application() -> FastAPI:
    """The API over real clients. Raises ConfigurationError naming every environment variable that is wrong."""
    return create_app(build_ports(Settings.from_env()))
