"""Starting the frame proxy: what a configuration may say, where its keys come from, and how the process ends."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from aiohttp import web
from botocore.exceptions import ClientError
from moto import mock_aws

from services.frame_proxy import certificates, wiring
from services.frame_proxy.__main__ import main
from services.frame_proxy.audit import CloudWatchSink, FileSink
from services.frame_proxy.settings import Settings, SettingsError, load

ROOT = Path(__file__).resolve().parents[4]
SECRET = "ab" * 32
GROUP = "/proj/access-audit"


@pytest.fixture
def values(secrets: Path) -> dict[str, Any]:
    """A whole configuration of a proxy whose data store nobody serves."""
    return {
        "region": "us-east-1",
        "datastore_id": "0" * 32,
        "endpoint_url": "http://127.0.0.1:9",
        "dicomweb_endpoint_url": "http://127.0.0.1:9",
        "issuer": "http://127.0.0.1:9/pool",
        "client_ids": ["viewer-client"],
        "jwks_file": str(secrets / "jwks.json"),
        "assignments_table": "assignments",
        "pseudonym_key_file": str(secrets / "key"),
        "audit_file": str(secrets / "audit.jsonl"),
        "lame_duck_seconds": 1,
        "drain_seconds": 1,
    }


def written(values: dict[str, Any], folder: Path) -> Path:
    path = folder / "proxy.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


# the configuration ----------------------------------------------------------------------------------------------------
def test_the_environment_overrides_the_file_key_by_key(values: dict[str, Any], tmp_path: Path) -> None:
    found = load(
        written(values, tmp_path),
        {"FRAME_PROXY_PORT": "9443", "FRAME_PROXY_CLIENT_IDS": "one, two,", "FRAME_PROXY_TLS_SELF_SIGNED": "true"},
    )
    assert (found.port, found.client_ids, found.tls_self_signed) == (9443, ["one", "two"], True)
    assert found.region == "us-east-1"
    assert found.keys_url == "http://127.0.0.1:9/pool/.well-known/jwks.json"


def test_the_environment_alone_is_enough(values: dict[str, Any]) -> None:
    environ = {f"FRAME_PROXY_{name.upper()}": str(value) for name, value in values.items() if name != "client_ids"}
    found = load(None, {**environ, "FRAME_PROXY_CLIENT_IDS": "viewer-client"})
    assert found == Settings.model_validate(values)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no key for the pseudonyms": ({"pseudonym_key_file": ""}, "pseudonym_key_file is needed"),
    "nowhere to keep the audit": ({"audit_file": ""}, "audit_file is needed"),
    "a certificate without its key": ({"tls_certificate": "c.pem"}, "belong together"),
    "two certificates": ({"tls_certificate": "c", "tls_key": "k", "tls_self_signed": True}, "exclude each other"),
    "an unknown key": ({"colour": "red-hush"}, "colour"),
    "a port that is none": ({"port": "port-hush"}, "port:"),
    "no app client": ({"client_ids": []}, "client_ids:"),
    "no data store": ({"datastore_id": "hush"}, "datastore_id:"),
}


@pytest.mark.parametrize(("change", "word"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_by_its_key_and_never_quoted(
    values: dict[str, Any], tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(written({**values, **change}, tmp_path), {})
    assert word in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("content", [b"a: [", b"- 1", b"", b"\xff\xfe\xfd", None], ids=str)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "proxy.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="the configuration file"):
        load(path, {})


def test_the_command_line_checks_a_configuration_and_says_what_is_wrong(
    values: dict[str, Any], tmp_path: Path, capsys: Any
) -> None:
    path = written(values, tmp_path)
    assert main(["--config", str(path), "--check"]) == 0
    assert main(["--config", str(tmp_path / "absent.yaml")]) == 2
    assert "frame_proxy: the configuration file cannot be read (FileNotFoundError)" in capsys.readouterr().err
    written({**values, "pseudonym_key_file": str(tmp_path / "absent")}, tmp_path)
    assert main(["--config", str(path)]) == 2
    assert "pseudonym_key_file cannot be used (FileNotFoundError)" in capsys.readouterr().err


# keys, credentials, sinks ---------------------------------------------------------------------------------------------
def test_without_aws_credentials_it_does_not_start(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentials:
        def get_credentials(self) -> None:
            return None

    monkeypatch.setattr(wiring.botocore.session, "get_session", NoCredentials)
    with pytest.raises(SettingsError, match="no AWS credentials"):
        wiring.build(Settings.model_validate(values))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, secrets: Path) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


def in_the_cloud(values: dict[str, Any], **changes: Any) -> Settings:
    """The same configuration as it is on AWS: no files, no endpoints of its own."""
    on_aws = {"endpoint_url": "", "pseudonym_key_file": "", "audit_file": "", "audit_log_group": GROUP}
    return Settings.model_validate({**values, **on_aws, **changes})


def test_the_key_of_the_pseudonyms_comes_from_secrets_manager_and_is_never_quoted(
    cloud: None, values: dict[str, Any]
) -> None:
    client = boto3.client("secretsmanager", "us-east-1")
    arn = client.create_secret(Name="key", SecretString=SECRET)["ARN"]
    assert wiring._pseudonym_key(in_the_cloud(values, pseudonym_key_secret_arn=arn)) == bytes.fromhex(SECRET)
    client.put_secret_value(SecretId=arn, SecretString="hush hush")
    for wrong in (arn, "arn:aws:secretsmanager:us-east-1:111122223333:secret:absent"):
        with pytest.raises(SettingsError, match="the pseudonym key cannot be had") as refused:
            wiring._pseudonym_key(in_the_cloud(values, pseudonym_key_secret_arn=wrong))
        assert "hush" not in str(refused.value)


def test_the_audit_goes_to_a_stream_of_this_process_and_on_after_a_restart(cloud: None, values: dict[str, Any]) -> None:
    client = boto3.client("logs", "us-east-1")
    client.create_log_group(logGroupName=GROUP)
    settings = in_the_cloud(values, pseudonym_key_secret_arn="arn")
    now = int(time.time() * 1000)
    for line in ("one", "two"):
        sink = wiring._sink(settings)  # the second finds the stream of the first
        assert isinstance(sink, CloudWatchSink)
        sink.write([(now, line)])
        sink.write([(now, f"{line} more")])
    (stream,) = client.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert stream["logStreamName"].endswith(f"-{os.getpid()}")
    events = client.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"])["events"]
    assert sorted(event["message"] for event in events) == ["one", "one more", "two", "two more"]


def test_records_that_the_log_group_rejects_or_a_missing_group_count_as_not_written(
    cloud: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = boto3.client("logs", "us-east-1")
    with pytest.raises(ClientError):
        CloudWatchSink(client, "/absent", "s").write([(0, "x")])
    client.create_log_group(logGroupName=GROUP)
    sink = CloudWatchSink(client, GROUP, "s")
    monkeypatch.setattr(client, "put_log_events", lambda **_: {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}})
    with pytest.raises(OSError, match="rejected"):
        sink.write([(0, "x")])


def test_on_one_machine_the_audit_is_appended_to_a_file(values: dict[str, Any]) -> None:
    settings = Settings.model_validate(values)
    sink = wiring._sink(settings)
    assert isinstance(sink, FileSink)
    sink.write([(1, '{"a":1}')])
    sink.write([(2, '{"a":2}'), (3, '{"a":3}')])
    assert [json.loads(line)["a"] for line in Path(settings.audit_file).read_text().splitlines()] == [1, 2, 3]


@pytest.mark.anyio
async def test_the_pools_public_keys_are_fetched_below_the_issuer(values: dict[str, Any]) -> None:
    status = 200

    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/pool/.well-known/jwks.json"
        return web.json_response({"keys": [{"kid": "k"}]}, status=status)

    application = web.Application()
    application.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer = f"http://127.0.0.1:{runner.addresses[0][1]}/pool/"
    fetch = wiring.key_source(Settings.model_validate({**values, "jwks_file": "", "issuer": issuer}))
    try:
        assert await fetch() == {"keys": [{"kid": "k"}]}
        status = 503
        with pytest.raises(wiring.aiohttp.ClientResponseError):
            await fetch()
    finally:
        await runner.cleanup()


# the process ----------------------------------------------------------------------------------------------------------
def test_a_self_signed_certificate_serves_tls_is_private_and_goes_with_the_process() -> None:
    with certificates.self_signed("proxy") as (certificate, key):
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        ssl.create_default_context(cafile=certificate)
        assert stat.S_IMODE(Path(key).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(key).parent.stat().st_mode) == 0o700
    assert not Path(key).parent.exists()


class Process:
    """The proxy as a container starts it, over TLS of its own."""

    def __init__(self, values: dict[str, Any], folder: Path) -> None:
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        path = written({**values, "tls_self_signed": True, "port": self.port}, folder)
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "services.frame_proxy", "--config", str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "lambdas/shared/src"), "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def get(self, path: str) -> int:
        """Status; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.port}{path}", timeout=10, context=self._tls) as found:
                return int(found.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert self.popen.poll() is None, self.popen.communicate()
            assert time.monotonic() < deadline, what
            time.sleep(0.05)


@pytest.fixture
def process(values: dict[str, Any], tmp_path: Path) -> Iterator[Process]:
    found = Process({**values, "lame_duck_seconds": 2}, tmp_path)
    yield found
    if found.popen.poll() is None:
        found.popen.kill()
    found.popen.communicate(timeout=30)


def test_it_still_answers_after_sigterm_then_ends_and_leaves_no_key_behind(process: Process) -> None:
    process.until(lambda: process.get("/healthz") == 200, "it does not answer")
    assert process.get("/readyz") == 503, "the list of studies cannot be had"
    assert len(list(process.temporary.iterdir())) == 1, "its certificate"
    process.popen.send_signal(signal.SIGTERM)
    assert process.get("/healthz") == 200, "a load balancer has not looked away yet"
    out, err = process.popen.communicate(timeout=60)
    assert process.popen.returncode == 0, err
    assert list(process.temporary.iterdir()) == [], "a private key was left on the disk"
    for line in err.splitlines():
        assert json.loads(line)["level"] in {"WARNING", "ERROR", "CRITICAL"}
    assert "audit" not in err
    assert "ImagingPlatform" in out, "the last figures are written at the end"


def test_a_second_signal_ends_it_at_once(process: Process) -> None:
    process.until(lambda: process.get("/healthz") == 200, "it does not answer")
    process.popen.send_signal(signal.SIGTERM)
    process.until(lambda: process.get("/readyz") == 503, "it does not answer")
    process.popen.send_signal(signal.SIGINT)
    process.popen.communicate(timeout=60)
    assert process.popen.returncode == 0
    assert list(process.temporary.iterdir()) == []
