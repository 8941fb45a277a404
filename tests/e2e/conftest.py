"""A radiologist's browser (Debian's chromium by Playwright) on the local stack with one chest CT of 400 slices.

Needs a chromium on PATH; without one every test here is skipped and says so. `E2E_RUN_DIR` names the run folder of a
stack that is up already, which saves bringing one up; `E2E_PICTURES` is where screenshots go.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SLICES = int(os.environ.get("E2E_SLICES", "400"))
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SOFTWARE_RENDERING = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need the stack; without a browser they cannot run."""
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.local)
            item.add_marker(pytest.mark.engine)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium on PATH (Debian: apt-get install chromium)"))


@dataclass(frozen=True)
class Hospital:
    """The stack with its viewer, its people, and the study they read."""

    url: str
    outputs: dict[str, Any]
    environment: dict[str, str]
    people: dict[str, Any]
    tokens: dict[str, str]
    study_key: str
    patient_key: str
    listed_name: str
    files: Path
    slices: int = SLICES

    def labels(self) -> list[dict[str, Any]]:
        """Versions of the study's label, as the API has them."""
        from local.demo.clients import Api

        admin = Api(self.outputs["api_url"], self.tokens["admin"], self.environment["AWS_CA_BUNDLE"])
        return admin.get(f"/studies/{self.study_key}/labels")["labels"]


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    from local.stack import LocalStack

    given = os.environ.get("E2E_RUN_DIR")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stack = LocalStack(Path(given) if given else tmp_path_factory.mktemp("e2e"), port=port)
    try:
        if not given:
            stack.up()
        yield _fill(stack)
    finally:
        if not given:
            stack.remove()


def _whole(admin: Any) -> list[dict[str, Any]]:
    """Imported studies of so many slices, among however many others the stack has."""
    found, asked = [], {"status": "IMPORTED", "limit": 50}
    while True:
        page = admin.get("/studies", **asked)
        found += [study for study in page["studies"] if study["image_count"] == SLICES]
        if not page["cursor"]:
            return found
        asked["cursor"] = page["cursor"]


def _fill(stack: Any) -> Hospital:
    """Upload the chest CT as an administrator and assign its patient to both readers; a study that is there stays."""
    from pydicom import dcmread

    from local.cloud import Cloud
    from local.cohort.whole import write
    from local.demo.clients import Api, assign, sign_in, subject_of
    from local.demo.people import demo_people
    from local.demo.upload import upload_all
    from local.demo.watch import watch_ingestion
    from local.engine.paths import CACHE

    environment, outputs = stack.aws.start(), stack.outputs()
    cloud, people = Cloud(environment), demo_people(stack)
    tokens = {role: sign_in(cloud, outputs["user_pool_client_id"], person) for role, person in people.items()}
    admin = Api(outputs["api_url"], tokens["admin"], environment["AWS_CA_BUNDLE"])
    studies = _whole(admin)
    files = write(CACHE / f"whole-{SLICES}", SLICES)
    if not studies:
        uploads = upload_all(admin, files, environment["AWS_CA_BUNDLE"], lambda done: None)
        keys = {f"upload/{upload.upload_id}.dcm" for upload in uploads}
        watch_ingestion(cloud, outputs["tracking_table"], keys, seconds=900)
        studies = _whole(admin)
    name = dcmread(files[0], specific_tags=["PatientName"]).PatientName
    for role in ("radiologist", "second-reader"):
        assign(admin, subject_of(tokens[role]), [studies[0]["patient_key"]])
    return Hospital(
        url=stack.serve_viewer(),
        outputs=outputs,
        environment=environment,
        people=people,
        tokens=tokens,
        study_key=studies[0]["study_key"],
        patient_key=studies[0]["patient_key"],
        files=files[0].parent,
        listed_name=f"{name.family_name}, {name.given_name}",  # as the worklist has it
    )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make setup)")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_RENDERING)
        yield browser
        browser.close()


@pytest.fixture(params=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def new_page(chromium: Any, size: str) -> Iterator[Callable[[], Any]]:
    """Fresh browser profiles of the size; at the end none may have strayed from its content security policy."""
    opened: list[Any] = []
    violations: list[str] = []

    def listen(message: Any) -> None:
        if "Content Security Policy" in message.text:
            violations.append(message.text)

    def open_one() -> Any:
        # the certificate is of the stack's own authority, which this browser does not know
        context = chromium.new_context(ignore_https_errors=True, **(PHONE if size == "phone" else DESKTOP))
        opened.append(context)
        found = context.new_page()
        found.set_default_timeout(120_000)
        found.add_init_script(
            "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour', 'studyListTour']))"
        )
        found.on("console", listen)
        found.on("response", lambda answer: print(answer.status, answer.url) if answer.status >= 400 else None)
        return found

    yield open_one
    for context in opened:
        context.close()
    assert violations == []


@pytest.fixture
def page(new_page: Callable[[], Any]) -> Any:
    """A fresh browser profile of the size."""
    return new_page()


@pytest.fixture
def picture(size: str) -> Callable[[Any, str], None]:
    """Keep a screenshot when a folder is given."""
    folder = os.environ.get("E2E_PICTURES")

    def keep(page: Any, name: str) -> None:
        if folder:
            page.screenshot(path=f"{folder}/viewer-{name}-{size}.jpg", type="jpeg", quality=60)

    return keep


@pytest.fixture
def sign_in(hospital: Hospital) -> Callable[[Any, str], None]:
    """Go to the viewer and sign in on Cognito's page."""

    def do(page: Any, role: str) -> None:
        person = hospital.people[role]
        page.goto(hospital.url)
        page.fill("input[name=username]", person.username)
        page.fill("input[name=password]", person.password)
        page.click("button[type=submit]")
        page.wait_for_url(f"{hospital.url}/**")

    return do
