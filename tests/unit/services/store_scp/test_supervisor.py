"""The supervising process: why it calls itself not ready, what it does with a worker that does not start or end."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import datetime
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from services.store_scp import logs, metrics, supervisor, tls, worker
from services.store_scp.__main__ import NOT_STARTED, main
from services.store_scp.acceptor import listen
from services.store_scp.configuration import ConfigurationError
from services.store_scp.health import HealthServer
from services.store_scp.stores.folder import FolderStore
from services.store_scp.stores.s3 import S3Store
from services.store_scp.supervisor import FAILING, StartError, Supervisor


@pytest.fixture
def alive() -> Any:
    return SimpleNamespace(is_alive=lambda: True)


@pytest.fixture
def supervise(settings: Any, tools: Any) -> Iterator[Any]:
    """`supervise()`: the supervisor by the settings as they are then, without its workers."""
    made: list[Supervisor] = []

    def make() -> Supervisor:
        made.append(Supervisor(tools.parsed(settings)))
        return made[-1]

    yield make
    for one in made:
        one._health.server_close()


def test_it_is_ready_only_while_every_worker_runs_the_store_takes_and_nobody_ends_it(
    supervise: Any, alive: Any
) -> None:
    found = supervise()
    assert found.not_ready() == "a worker is not running"
    found._workers = [alive]
    assert found.not_ready() == ""
    found._board.row(0).set("store_failures_in_a_row", FAILING)
    assert found.not_ready() == "the store fails"
    found._board.row(0).set("store_failures_in_a_row", FAILING - 1)
    assert found.not_ready() == ""
    found._end(signal.SIGTERM, None)
    assert found.not_ready() == "draining"


def test_a_certificate_that_expires_while_it_runs_makes_it_not_ready(
    settings: Any, tls_settings: Any, authority: Any, supervise: Any, alive: Any
) -> None:
    settings["listeners"] = [{"address": "127.0.0.1", "port": 0, "tls": tls_settings}]
    found = supervise()
    found._workers = [alive]
    assert found.not_ready() == ""
    certificate, key = authority.issue("expired", days=-1)
    for place, new in (("certificate", certificate), ("key", key)):
        Path(tls_settings[place].removeprefix("file:")).write_bytes(new.read_bytes())
    assert found.not_ready() == "a certificate has expired"
    Path(tls_settings["certificate"].removeprefix("file:")).unlink()
    assert found.not_ready() == "a certificate cannot be read", "a probe is answered, whatever the files are"


def test_port_nought_becomes_one_port_for_all_workers_on_either_family(settings: Any, supervise: Any) -> None:
    settings["listeners"] = [
        {"address": "127.0.0.1", "port": 0, "unencrypted": True},
        {"address": "::1", "port": 0, "unencrypted": True},
    ]
    try:
        ports = [one.port for one in supervise()._configuration.listeners]
    except OSError:
        pytest.skip("no IPv6 on this machine")
    assert all(ports)


def test_what_connected_before_any_process_served_the_port_is_served_then(settings: Any, tools: Any) -> None:
    configuration = tools.parsed(settings)
    bound = listen(configuration.listeners[0])
    place = bound.getsockname()
    with socket.create_connection(place, timeout=10) as peer:
        running = worker.Worker(configuration, metrics.Board(1).row(0), listening=[bound])
        running.start()
        try:
            assert running.ports == [place[1]]
            peer.sendall(bytes((0xFF, 0, 0, 0, 0, 0)))
            assert peer.recv(1) == b"\x07", "the A-ABORT that a PDU of no kind deserves"
        finally:
            running.drain()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(place, timeout=10)


def test_two_receivers_never_share_a_port_unawares(settings: Any, tools: Any) -> None:
    settings["listeners"][0]["port"] = 0
    first = listen(tools.parsed(settings).listeners[0])
    try:
        settings["listeners"][0]["port"] = first.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen(tools.parsed(settings).listeners[0])
    finally:
        first.close()


def test_a_worker_that_ends_while_it_starts_is_an_error_that_says_so(
    supervise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_configuration: Any, _row: Any, ready: Any, _listening: Any) -> None:
        ready.close()

    monkeypatch.setattr(worker, "run", die)
    with pytest.raises(StartError, match="ended while it started"):
        supervise()._start(0)


def test_a_worker_that_never_listens_is_an_error_that_says_so(supervise: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "run", lambda *_: time.sleep(60))
    monkeypatch.setattr(supervisor, "START_SECONDS", 0.05)
    found = supervise()
    with pytest.raises(StartError, match="does not listen"):
        found._start(0)
    found._workers[0].kill()
    found._workers[0].join()


def test_the_command_line_says_that_an_address_is_taken(settings: Any, tmp_path: Any, capsys: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings["health"]["port"] = taken.getsockname()[1]
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(settings))
        assert main(["--config", str(path)]) == NOT_STARTED
    assert "The receiver cannot start: " in capsys.readouterr().err


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is logged."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name in ("event", "problem"):
        monkeypatch.setattr(logs, name, lambda name, **fields: found.append((name, fields)))
    return found


def test_a_dead_worker_is_started_again_not_at_once_and_a_failure_to_do_so_is_told(
    supervise: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = supervise()
    found._workers = [SimpleNamespace(is_alive=lambda: False, exitcode=-9)]
    started: list[int] = []
    monkeypatch.setattr(found, "_start", started.append)
    found._started = [time.monotonic()]
    found._keep_alive()
    assert not started, "one that dies at once is not started again without a pause"
    found._started = [time.monotonic() - 10]
    found._keep_alive()
    assert started == [0]

    def fail(_index: int) -> None:
        raise StartError("no")

    monkeypatch.setattr(found, "_start", fail)
    found._keep_alive()
    assert [name for name, _ in events] == ["worker-died", "worker-died", "worker-not-started"]
    assert events[0][1] == {"worker": 0, "exit_code": -9}


class Stubborn:
    """A worker that does not end when told to."""

    name = "store-scp-0"

    def __init__(self) -> None:
        self.living = True

    def is_alive(self) -> bool:
        return self.living

    def terminate(self) -> None:
        """It does not listen."""

    def kill(self) -> None:
        self.living = False

    def join(self, _seconds: float | None = None) -> None:
        """Nothing to wait for."""


def test_a_worker_that_does_not_end_in_time_is_killed_and_that_is_told(supervise: Any, events: Any) -> None:
    found, stubborn = supervise(), Stubborn()
    found._workers = [stubborn, None]
    found._health.start()
    assert found._drain() == 0
    assert not stubborn.living
    assert [name for name, _ in events] == ["draining", "worker-killed", "ended"]


def test_figures_are_written_only_when_asked_for_and_due(
    settings: Any, supervise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(logs, "raw", lines.append)
    supervise()._report()
    assert not lines
    settings["health"]["emf_seconds"] = 60
    found = supervise()
    found._report()
    assert not lines, "not due yet"
    found._report_at = 0
    found._board.row(0).add("instances_stored_total", 3)
    found._report()
    found._report()
    assert len(lines) == 1
    assert "_aws" in json.loads(lines[0])


def test_the_configured_store_is_the_one_that_is_used(settings: Any, tools: Any) -> None:
    assert isinstance(worker.store_of(tools.parsed(settings)), FolderStore)
    settings["store"] = {"s3": {"bucket": "bucket", "region": "us-east-1"}}
    assert isinstance(worker.store_of(tools.parsed(settings)), S3Store)


def test_health_says_what_is_wrong_and_a_peer_that_hangs_up_harms_nothing() -> None:
    reason = ""
    board = metrics.Board(1)
    server = HealthServer(("127.0.0.1", 0), probe=lambda: reason, totals=board.totals)
    server.start()

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    try:
        assert get("/readyz") == (200, "ready\n")
        assert "store_scp_ready 1\n" in get("/metrics")[1]
        reason = "the store fails"
        assert get("/readyz") == (503, "the store fails\n")
        assert "store_scp_ready 0\n" in get("/metrics")[1]
        assert get("/healthz") == (200, "alive\n")
        assert get("/") == (404, "healthz, readyz or metrics\n")
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"GET /me")
        assert get("/healthz")[0] == 200
    finally:
        server.shutdown()
        server.server_close()


# TLS of associations that the receiver opens --------------------------------------------------------------------------
def test_an_association_that_the_receiver_opens_checks_name_and_issuer(authority: Any) -> None:
    context = tls.client_context(f"file:{authority.path}")
    assert context.check_hostname
    assert context.verify_mode is tls.ssl.CERT_REQUIRED
    assert context.minimum_version is tls.ssl.TLSVersion.TLSv1_2
    assert [found["issuer"] for found in context.get_ca_certs()], "it trusts that authority"


def test_an_encrypted_key_is_refused_without_asking_anybody(authority: Any, tls_settings: Any, tmp_path: Any) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(Path(tls_settings["key"].removeprefix("file:")).read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    from services.store_scp.configuration import Tls

    with pytest.raises(ConfigurationError, match="no readable pair"):
        tls.server_context(Tls.model_validate({**tls_settings, "key": f"file:{locked}"}))


def test_a_certificate_that_is_valid_today_says_until_when(tls_settings: Any) -> None:
    from services.store_scp.configuration import Tls

    found = tls.inspect(Tls.model_validate(tls_settings))
    assert found.not_before < datetime.datetime.now(datetime.UTC) < found.not_after
    assert found.weak == ""
