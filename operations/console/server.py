"""The page itself: four parts on one address of the loopback, read anew with each request. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from operations import monitor
from operations.console import measures, resources, rights, trail

Clients = Callable[[str], Any]
LOOPBACK: Final = "127.0.0.1"
SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a part answered, or why it did not."""

    value: Any = None
    silent: str = ""


@dataclass(frozen=True, kw_only=True)
class Console:
    """One stack, by clients with the rights of who started the page; `state` is read with each request."""

    clients: Clients
    stack: str
    state: Callable[[], str]

    def page(self, asked: dict[str, str]) -> str:
        """The page as HTML; `asked` are its fields: image, role, action, resource."""
        image = asked.get("image", "")
        question = (asked.get("role", ""), asked.get("action", ""), asked.get("resource", ""))
        return _template().render(
            stack=self.stack,
            asked={"image": image, "role": question[0], "action": question[1], "resource": question[2]},
            readings=_look(lambda: monitor.look(self.clients, self.stack)),
            components=_look(lambda: resources.by_component(resources.read_state(self.state()))),
            images=_look(lambda: trail.images(self.clients, self.stack)[:20]),
            trail=_look(lambda: trail.trail(self.clients, self.stack, image)) if image else Looked(),
            alarms=_look(lambda: measures.alarms(self.clients, self.stack)),
            measures=_look(lambda: measures.measures(self.clients)),
            refusals=_look(lambda: measures.refusals(self.clients, self.stack)),
            roles=_look(lambda: rights.roles(self.clients, self.stack)),
            decision=_look(lambda: rights.why(self.clients, self.stack, *question)) if all(question[:2]) else Looked(),
        )

    def application(self) -> Starlette:
        """The web application. It answers to names of the loopback only, whatever a page elsewhere makes of DNS."""

        def show(request: Request) -> Response:
            return HTMLResponse(self.page(dict(request.query_params)), headers=SAFE)

        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
        return Starlette(routes=[Route("/", show)], middleware=[hosts])


def _look(part: Callable[[], Any]) -> Looked:
    """A part that does not answer does not hide the others."""
    try:
        return Looked(value=part())
    except ClientError as error:
        return Looked(silent=f"AWS answered {error.response['Error']['Code']}")
    except (OSError, BotoCoreError, ValueError) as error:
        return Looked(silent=f"no answer: {type(error).__name__}")


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    given = Environment(loader=loader, autoescape=select_autoescape(("html", "j2")), undefined=StrictUndefined)
    return given.get_template("console.html.j2")
