"""Starting: what is refused, the command line, health, a worker that dies, and the drain."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from services.store_scp import configuration, insecure
from services.store_scp.__main__ import NOT_STARTED, REFUSED, main
from services.store_scp.configuration import ConfigurationError

ROOT = Path(__file__).resolve().parents[4]


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one value deep in the settings."""

    def apply(settings: dict[str, Any]) -> None:
        place: Any = settings
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return apply


UNVERIFIED = {"certificate": "env:A", "key": "env:B", "client_certificates": "none"}
PLAIN_S3 = {"s3": {"bucket": "bucket", "endpoint_url": "http://s3.example"}}
MALFORMED = {
    "an unknown key": (change("colour", to="red"), "colour"),
    "no listener": (change("listeners", to=[]), "listeners"),
    "no peer": (change("peers", to=[]), "peers"),
    "a listener with neither TLS nor a word about it": (change("listeners", to=[{"port": 1}]), "unencrypted"),
    "two peers of one name": (lambda s: s["peers"].append(s["peers"][0]), "same name"),
    "two stores": (change("store", "s3", to={"bucket": "bucket"}), "either s3 or folder"),
    "opaque names without a key": (change("naming", to={}), "naming.key"),
    "no naming": (lambda s: s.pop("naming"), "naming is missing"),
    "study folders under opaque names": (change("naming", "study_level", to=True), "study_level"),
    "replacing under opaque names": (change("naming", "conflicts", to="replace"), "replace"),
    "no process": (change("processes", to=0), "processes"),
    "a title of 17 characters": (change("ae_title", to="A" * 17), "ae_title"),
    "a secret in the place of its address": (change("naming", "key", to="5a" * 32), "naming.key"),
    "a prefix that climbs": (change("naming", "prefix", to="../x"), "naming.prefix"),
    "a CA without mutual TLS": (
        change("listeners", 0, to={"port": 1, "tls": {**UNVERIFIED, "client_ca": "env:C"}}),
        "client_ca",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_configuration_is_refused_by_name(name: str, settings: Any, tools: Any) -> None:
    apply, word = MALFORMED[name]
    apply(settings)
    with pytest.raises(ConfigurationError) as caught:
        tools.parsed(settings)
    assert word in str(caught.value)
    assert "5a5a" not in str(caught.value), "a value may be a secret in the wrong place"


@pytest.mark.parametrize("text", ["[1]", "a: [", "plain"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        configuration.parse(text)


def wide(settings: Any) -> None:
    settings["peers"][0]["addresses"] = ["0.0.0.0/0"]


def open_folder(settings: Any) -> None:
    Path(settings["store"]["folder"]["path"]).chmod(0o755)


def short_key(settings: Any) -> None:
    Path(settings["naming"]["key"].removeprefix("file:")).write_text("abcd")


def everywhere(settings: Any) -> None:
    settings["listeners"][0]["address"] = "0.0.0.0"  # noqa: S104
    settings["peers"][0]["addresses"] = ["10.0.0.0/24"]


def study_and_commit(settings: Any) -> None:
    settings["naming"] = {"layout": "uid", "study_level": True}


INSECURE = {
    "any address": (wide, "too wide"),
    "unencrypted on every address": (everywhere, "unencrypted on every address"),
    "a published title": (change("ae_title", to="ORTHANC"), "default title"),
    "certificates that nobody looks at": (change("peers", 0, "certificates", to=["ab" * 32]), "not looked at"),
    "a folder that everybody may read": (open_folder, "everybody"),
    "a folder that is not there": (change("store", "folder", "path", to="/nowhere"), "does not exist"),
    "a name key that can be guessed": (short_key, "could be guessed"),
    "a name key that is not there": (change("naming", "key", to="file:/nowhere"), "cannot be read"),
    "S3 without TLS": (change("store", to=PLAIN_S3), "unencrypted"),
    "commitment that could find nothing": (study_and_commit, "commitment"),
}  # fmt: skip


@pytest.mark.parametrize("name", INSECURE)
def test_an_insecure_configuration_does_not_start(name: str, settings: Any, tools: Any) -> None:
    apply, word = INSECURE[name]
    insecure.refuse(tools.parsed(settings))
    apply(settings)
    with pytest.raises(ConfigurationError) as caught:
        insecure.refuse(tools.parsed(settings))
    assert word in str(caught.value)


def readable_key(tls: Any, _authority: Any, _folder: Path) -> None:
    Path(tls["key"].removeprefix("file:")).chmod(0o644)


def expired(tls: Any, authority: Any, _folder: Path) -> None:
    certificate, key = authority.issue("old", days=-1)
    tls.update(certificate=f"file:{certificate}", key=f"file:{key}")


def other_key(tls: Any, authority: Any, _folder: Path) -> None:
    tls["key"] = f"file:{authority.issue('other')[1]}"


def no_certificate(tls: Any, _authority: Any, _folder: Path) -> None:
    tls["certificate"] = "env:NOT_SET_ANYWHERE"


def broken_ca(tls: Any, _authority: Any, folder: Path) -> None:
    (folder / "ca").write_text("no certificate")
    tls["client_ca"] = f"file:{folder / 'ca'}"


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (readable_key, "chmod 600"),
        (expired, "not valid today"),
        (other_key, "no readable pair"),
        (no_certificate, "is not set"),
        (broken_ca, "authority"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_tls_that_protects_nothing_does_not_start(spoil: Any, word: str, request: pytest.FixtureRequest) -> None:
    settings, tls = request.getfixturevalue("settings"), copy.deepcopy(request.getfixturevalue("tls_settings"))
    tools, folder = request.getfixturevalue("tools"), request.getfixturevalue("tmp_path")
    settings["listeners"] = [{"port": 0, "tls": tls}]
    insecure.refuse(tools.parsed(settings))
    spoil(tls, request.getfixturevalue("authority"), folder)
    with pytest.raises(ConfigurationError) as caught:
        insecure.refuse(tools.parsed(settings))
    assert word in str(caught.value)


def test_a_weak_key_is_called_weak() -> None:
    from services.store_scp import tls

    class Certificate:
        def __init__(self, key: Any) -> None:
            self._key = key

        def public_key(self) -> Any:
            return self._key

    weak = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505
    assert "1024" in tls._weakness(Certificate(weak))  # type: ignore[arg-type]
    assert tls._weakness(Certificate(object())) != ""  # type: ignore[arg-type]


def write(settings: Any, folder: Path) -> str:
    """The configuration as a file."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def test_the_command_line_checks_and_refuses(settings: Any, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    assert main(["--config", write(settings, tmp_path), "--check-config"]) == 0
    assert "safe to start" in capsys.readouterr().out
    monkeypatch.setenv("RECEIVER", yaml.safe_dump({**settings, "ae_title": "ORTHANC"}))
    assert main(["--config", "env:RECEIVER"]) == REFUSED
    assert "default title" in capsys.readouterr().err
    assert main(["--config", str(tmp_path / "absent.yaml")]) == REFUSED
    settings["store"]["folder"]["reserve_bytes"] = 1 << 62
    assert main(["--config", write(settings, tmp_path)]) == NOT_STARTED
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "a small configuration" in capsys.readouterr().out


@dataclass
class Service:
    """The whole receiver as people start it."""

    popen: subprocess.Popen[str]
    port: int
    health: str
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a health address."""
        try:
            with urllib.request.urlopen(f"{self.health}{path}", timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        return [int(one) for one in Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()]


@pytest.fixture
def service(settings: Any, tmp_path: Path) -> Iterator[Service]:
    """Two workers, metrics on the log every tenth of a second, ten seconds to drain."""
    settings.update(processes=2)
    settings["health"]["emf_seconds"] = 0.1
    settings["limits"].update(drain_seconds=10, idle_seconds=20)
    log = tmp_path / "log"
    popen = subprocess.Popen(
        [sys.executable, "-m", "services.store_scp", "--config", write(settings, tmp_path)],
        cwd=ROOT,
        stdout=log.open("w"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert popen.stderr is not None
    line = popen.stderr.readline()
    assert "listens on 127.0.0.1:" in line, line
    port = int(line.split("127.0.0.1:")[1].split()[0])
    yield Service(popen, port, line.split("health on ")[1].strip().removesuffix("/readyz"), log)
    if popen.poll() is None:
        popen.kill()
    popen.wait(30)


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that will come."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_it_is_watched_survives_a_dead_worker_and_drains(service: Service, tools: Any) -> None:
    assert service.get("/healthz") == (200, "alive\n")
    assert service.get("/readyz") == (200, "ready\n")
    assert service.get("/x")[0] == 404
    association = tools.associate(service.port)
    assert association.send_c_store(tools.instance()).Status == 0x0000
    association.release()
    assert "store_scp_instances_stored_total 1\n" in service.get("/metrics")[1]

    before = service.workers()
    import os

    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(service.workers()) - set(before)) == 1, "the dead worker was not replaced")
    until(lambda: service.get("/readyz")[0] == 200, "it did not become ready again")
    assert "store_scp_instances_stored_total 1\n" in service.get("/metrics")[1], "what was counted stays counted"

    holding = tools.associate(service.port)
    service.popen.send_signal(signal.SIGTERM)
    until(lambda: service.get("/readyz") == (503, "draining\n"), "it did not say that it drains")
    assert holding.send_c_store(tools.instance()).Status == 0x0000, "an association that is open is served to its end"
    holding.release()
    assert service.popen.wait(30) == 0
    events = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert {"started", "worker-died", "draining", "worker-drained", "ended"} <= {one.get("event") for one in events}
    assert any("_aws" in one for one in events)
