"""`python -m bench.viewer --run RUN --files DIR`: our viewer against OHIF on Orthanc, 20 Mbit/s and 50 ms, one run.

RUN is the run folder of a local stack that holds the study of DIR (tests/e2e makes both; `local.cohort.whole` writes
the files). Both sides are OHIF of the same release in the same chromium with software rendering: what the drawing
costs is the same on both, and it bounds the scrolling.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pydicom
import uvicorn
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.frames.__main__ import Tools, free_port, orthanc
from bench.viewer import browser
from local.demo.people import demo_people
from local.engine.paths import CACHE
from local.stack import LocalStack
from local.viewer_origin import Origin
from viewer import configuration

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TOURS = "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour', 'studyListTour']))"


class PlainOhif(Origin):
    """OHIF as it comes, on another DICOMweb server: no sign-in, no extension, its own way of loading."""

    def application(self) -> Starlette:
        dicomweb = Route("/dicom-web/{path:path}", self._forward(f"{self._facts['frame_proxy_url']}/"), methods=["GET"])
        routes = [Route("/app-config.js", self.config), dicomweb, Route("/{path:path}", self.file)]
        return Starlette(routes=routes)

    async def config(self, _: Request) -> Response:
        """Ours, without what makes it ours."""
        sign_in = configuration.SignIn(issuer="", client_id="", authorize_origin="")
        plain = configuration.config("", sign_in)
        for name in ("oidc", "customizationService", "platform"):
            del plain[name]
        plain["extensions"] = []
        del plain["dataSources"][0]["configuration"]["stackRetrieveOptions"]
        plain["maxNumRequests"] = {"interaction": 100, "thumbnail": 5, "prefetch": 25}  # OHIF's default
        return Response(f"window.config = {json.dumps(plain)};", media_type="text/javascript")


def serve(application: Any, port: int) -> uvicorn.Server:
    """A server on loopback in a thread."""
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    return server


SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}


def fresh(running: Any, size: str) -> Any:
    """A page of a browser that knows nothing yet."""
    page = running.new_context(ignore_https_errors=True, **SIZES[size]).new_page()
    page.add_init_script(TOURS)
    page.add_init_script("performance.setResourceTimingBufferSize(20000)")
    page.set_default_timeout(180_000)
    return page


def sign_in(page: Any, person: Any) -> None:
    """On the sign-in page, where there is one; a robot's typing costs no time worth counting."""
    if person is not None:
        page.fill("input[name=username]", person.username)
        page.fill("input[name=password]", person.password)
        page.click("button[type=submit]")


def cold(running: Any, address: str, options: argparse.Namespace, person: Any) -> dict[str, float]:
    """From a study's address in a browser that has seen nothing of it; ours goes over the sign-in page."""
    page = fresh(running, options.size)
    browser.throttle(page, options.mbit, options.latency)
    started = time.monotonic()
    page.goto(address, wait_until="commit")
    sign_in(page, person)
    page.wait_for_selector(".cornerstone-canvas")
    found = browser.until_pictures(page, started, None)
    page.context.close()
    return found


def measure(playwright: Any, url: str, uid: str, options: argparse.Namespace, person: Any = None) -> dict[str, Any]:
    """All figures of one side, each part in a fresh profile or a warm one as its name says."""
    chromium = shutil.which("chromium")
    with playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as running:
        found: dict[str, Any] = {
            "open, nothing cached": cold(running, f"{url}/viewer?StudyInstanceUIDs={uid}", options, person)
        }
        page = fresh(running, options.size)
        # OHIF by itself shows no rows of its worklist at phone size, so what is waited for is that it has loaded
        page.goto(url, wait_until="networkidle")
        sign_in(page, person)
        if person is not None:
            page.get_by_role("cell", name=options.family).first.wait_for()
        browser.throttle(page, options.mbit, options.latency)
        found["open, code cached"] = browser.open_study(page, uid)
        if "full_ms" not in found["open, code cached"]:
            return found  # it never came within the time that a person would give it
        slices = page.evaluate("() => cornerstone.getRenderingEngines()[0].getViewports()[0].getImageIds().length")
        far = [slices * part // 7 for part in (6, 3, 5, 2, 4, 1)]
        found["jump to a far slice, median of 6"] = browser.jumps(page, far)
        found["scrolling"] = browser.scroll(page, options.seconds)
        if options.planes:
            found["three planes (MPR)"] = browser.planes(page)
        return found


def show(console: Console, figures: dict[str, Any]) -> None:
    """A table of both sides."""
    table = Table("figure", "ours", "OHIF on Orthanc", "ratio", title="viewer")
    for part, ours in figures["ours"].items():
        for name, value in ours.items():
            other = figures["orthanc"].get(part, {}).get(name)
            cells = ("none", "") if other is None else (f"{other:.1f}", f"{value / other:.2f}")
            table.add_row(f"{part}: {name}", f"{value:.1f}", *cells)
    console.print(table)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.viewer", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder of a stack that is up")
    parser.add_argument("--files", type=Path, required=True, help="the study's files")
    parser.add_argument("--mbit", type=float, default=20)
    parser.add_argument("--latency", type=float, default=50, help="ms")
    parser.add_argument("--seconds", type=float, default=10, help="of scrolling")
    parser.add_argument("--size", choices=sorted(SIZES), default="desktop")
    parser.add_argument("--planes", action="store_true", help="three planes too: minutes of software rendering")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    head = pydicom.dcmread(next(iter(sorted(options.files.iterdir()))), stop_before_pixels=True)
    uid, options.family = str(head.StudyInstanceUID), str(head.PatientName.family_name)
    stack = LocalStack(options.run)
    ours = stack.serve_viewer()
    facts = json.loads((stack.viewer.folder / "facts.json").read_text())
    figures: dict[str, Any] = {"mbit": options.mbit, "latency_ms": options.latency, "size": options.size}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        figures["ours"] = measure(playwright, ours, uid, options, demo_people(stack)["radiologist"])
        with orthanc(Tools.find(None), Path(folder), options.files) as dicomweb:
            port = free_port()
            plain = PlainOhif({**facts, "frame_proxy_url": dicomweb, "origin": f"http://127.0.0.1:{port}"}, CACHE)
            server = serve(plain.application(), port)
            figures["orthanc"] = measure(playwright, f"http://127.0.0.1:{port}", uid, options)
            server.should_exit = True
    show(Console(), figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
