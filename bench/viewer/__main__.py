"""`python -m bench.viewer --run RUN --files DIR`: our viewer against OHIF on Orthanc, 20 Mbit/s and 50 ms, one run.

RUN is the run folder of a local stack that holds the study of DIR (tests/e2e makes both; `local.cohort.whole` writes
the files). Both sides are OHIF of the same release in the same chromium with software rendering: what the drawing
costs is the same on both, and it bounds the scrolling.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
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
from viewer import configuration, release

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# WebGL has to be emulated where there is no graphics card; the page and its canvas need not be, and a look at a canvas
# of an emulated card takes 100 ms
ARGUMENTS += ["--disable-gpu-compositing", "--disable-accelerated-2d-canvas"]
TOURS = "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour', 'studyListTour']))"


class PlainOhif(Origin):
    """OHIF as it comes, on another DICOMweb server: no sign-in, no extension, its own way of loading, gzip."""

    def __init__(self, facts: dict[str, Any], cache: Path) -> None:
        super().__init__(facts, cache)
        self._assets = release.assets(release.fetch(cache), cache / "viewer-compressed", "gzip")

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


SIGN_IN = """({ username, password }) => addEventListener('DOMContentLoaded', () => {
  const typed = document.querySelector('input[name=password]');
  if (!typed) return;
  document.querySelector('input[name=username]').value = username;
  typed.value = password;
  typed.form.requestSubmit();
})"""
"""On the sign-in page, as soon as it is there: what a person's typing takes is not the viewer's time."""


def fresh(running: Any, size: str, person: Any = None) -> Any:
    """A page of a browser that knows nothing yet, and of a person who signs in at once."""
    page = running.new_context(**SIZES[size]).new_page()
    page.add_init_script(TOURS)
    page.add_init_script("performance.setResourceTimingBufferSize(20000)")
    page.add_init_script(browser.LOOK)
    if person is not None:
        known = json.dumps({"username": person.username, "password": person.password})
        page.add_init_script(f"({SIGN_IN})({known})")
    page.set_default_timeout(180_000)
    return page


@dataclass(frozen=True)
class Side:
    """One of the two that are measured: its address, and who signs in there."""

    name: str
    url: str
    person: Any = None


def launched(playwright: Any, trusted: str) -> Any:
    """A browser of its own: no profile, no cache, nothing compiled.

    Args:
        trusted: `key_digest` of the certificate that it takes for a good one. Where a browser is only told to go on in
            spite of a bad one it caches nothing, and fetches the decoder twice more.
    """
    arguments = [*ARGUMENTS, f"--ignore-certificate-errors-spki-list={trusted}"]
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)


def key_digest(certificate: Path) -> str:
    """SHA-256 of a certificate's public key (SubjectPublicKeyInfo, RFC 5280 section 4.1), base64."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


def cold(playwright: Any, side: Side, options: argparse.Namespace) -> dict[str, float]:
    """From a study's address in a browser that has seen nothing of it; ours goes over the sign-in page."""
    with launched(playwright, options.trusted) as running:
        page = fresh(running, options.size, side.person)
        browser.throttle(page, options.mbit, options.latency)
        started = time.time() * 1000
        page.goto(f"{side.url}/viewer?StudyInstanceUIDs={options.uid}", wait_until="commit")
        return browser.pictures(page, started=started)


def in_turns(playwright: Any, sides: list[Side], options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Cold openings of both sides in turns, after one of each that does not count."""
    found: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
    for number in range(options.rounds + 1):
        for side in sides:
            one = cold(playwright, side, options)
            if number:
                found[side.name].append(one)
    return found


def warm(playwright: Any, side: Side, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one side in a browser that has its code."""
    with launched(playwright, options.trusted) as running:
        page = fresh(running, options.size, side.person)
        # OHIF by itself shows no rows of its worklist at phone size, so what is waited for is that it has loaded
        page.goto(side.url, wait_until="networkidle")
        if side.person is not None:
            page.get_by_role("cell", name=options.family).first.wait_for()
        browser.throttle(page, options.mbit, options.latency)
        found: dict[str, Any] = {"open, code cached": browser.open_study(page, options.uid)}
        if "full_ms" not in found["open, code cached"]:
            return found  # it never came within the time that a person would give it
        slices = page.evaluate("() => cornerstone.getRenderingEngines()[0].getViewports()[0].getImageIds().length")
        far = [slices * part // 7 for part in (6, 3, 5, 2, 4, 1)]
        found["jump to a far slice, median of 6"] = browser.jumps(page, far)
        found["scrolling"] = browser.scroll(page, options.seconds)
        if options.planes:
            found["three planes (MPR)"] = browser.planes(page)
        return found


def measure(playwright: Any, sides: list[Side], options: argparse.Namespace) -> dict[str, Any]:
    """All figures of both sides: each part in a fresh profile or a warm one as its name says."""
    opened = in_turns(playwright, sides, options)
    name = f"open, nothing cached, median of {options.rounds}"
    return {
        "cold_rounds": opened,
        **{side.name: {name: browser.medians(opened[side.name]), **warm(playwright, side, options)} for side in sides},
    }


def show(console: Console, figures: dict[str, Any]) -> None:
    """A table of both sides."""
    table = Table("figure", "ours", "OHIF on Orthanc", "ratio", title="viewer")
    for part, ours in figures["ours"].items():
        for name, value in ours.items():
            other = figures["orthanc"].get(part, {}).get(name)
            ratio = f"{value / other:.2f}" if other else ""
            cells = ("none", "") if other is None else (f"{other:.1f}", ratio)
            table.add_row(f"{part}: {name}", f"{value:.1f}", *cells)
    console.print(table)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.viewer", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder of a stack that is up")
    parser.add_argument("--files", type=Path, required=True, help="the study's files")
    parser.add_argument("--mbit", type=float, default=20)
    parser.add_argument("--latency", type=float, default=50, help="ms")
    parser.add_argument("--rounds", type=int, default=3, help="cold openings of each side, in turns; the median counts")
    parser.add_argument("--seconds", type=float, default=10, help="of scrolling")
    parser.add_argument("--size", choices=sorted(SIZES), default="desktop")
    parser.add_argument("--planes", action="store_true", help="three planes too: minutes of software rendering")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    head = pydicom.dcmread(next(iter(sorted(options.files.iterdir()))), stop_before_pixels=True)
    options.uid, options.family = str(head.StudyInstanceUID), str(head.PatientName.family_name)
    stack = LocalStack(options.run)
    ours = stack.serve_viewer()
    facts = json.loads((stack.viewer.folder / "facts.json").read_text())
    options.trusted = key_digest(Path(facts["certificate"]))
    figures: dict[str, Any] = {"mbit": options.mbit, "latency_ms": options.latency, "size": options.size}
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        orthanc(Tools.find(None), Path(folder), options.files) as dicomweb,
    ):
        port = free_port()
        plain = PlainOhif({**facts, "frame_proxy_url": dicomweb, "origin": f"http://127.0.0.1:{port}"}, CACHE)
        server = serve(plain.application(), port)
        sides = [Side("ours", ours, demo_people(stack)["radiologist"]), Side("orthanc", f"http://127.0.0.1:{port}")]
        figures |= measure(playwright, sides, options)
        server.should_exit = True
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    show(Console(), figures)


if __name__ == "__main__":
    main()
