"""The shared library where something is missing, lost in a race or not to be told: errors that say so, and no value."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_shared import aws, canary, settings
from lambda_shared.errors import ConfigurationError, NotFoundError, TransientError
from lambda_shared.events import schemas
from lambda_shared.events.outbox import DynamoOutbox
from lambda_shared.idempotency import once
from lambda_shared.logs import IdentifierFilter
from lambda_shared.metrics import EmfMeter, Meter, provider
from lambda_shared.runtime import lambda_handler
from lambda_shared.tracking import DynamoTrackingTable

ROOT = Path(__file__).resolve().parents[4]


def broken_package(folder: Path) -> None:
    """A package with a module that lacks a dependency, one that is fine, and a private one that nobody imports."""
    package = folder / "broken_layer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fine.py").touch()
    (package / "lacking.py").write_text("import not_in_this_layer\n")
    (package / "_private.py").write_text("raise RuntimeError\n")


def test_the_canary_names_each_module_that_lacks_something_and_only_public_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_package(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert canary.failures(("broken_layer",)) == {"broken_layer.lacking": "ModuleNotFoundError: not_in_this_layer"}


def test_the_canarys_status_is_what_a_build_stops_on(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, str] = {}
    monkeypatch.setattr(canary, "failures", lambda _names: found)
    assert canary.main() == 0
    found["imaging.pixels"] = "ModuleNotFoundError: numpy"
    assert canary.main() == 1
    assert capsys.readouterr().err == "imaging.pixels cannot be imported: ModuleNotFoundError: numpy\n"


def test_the_schemas_are_written_beside_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    schemas.main()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == schemas.schemas()
    assert "image-verified.schema.json" in schemas.schemas()


def filtered(message: Any, *args: Any, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("x", logging.INFO, "f", 1, message, args, None)
    record.__dict__.update(extra)
    assert IdentifierFilter().filter(record)
    return record


def test_arguments_of_a_log_line_are_cleaned_by_place_and_by_name() -> None:
    assert filtered("%s and %s", "1.2.840.113619.2.1.5.6", 3).getMessage() == "[removed] and 3"
    named = filtered("%(study)s of %(patient_name)s", {"study": "1.2.840.113619.2.1.5.6", "patient_name": "A^B"})
    assert named.args == {"study": "[removed]"}, "a name that means a person goes with its value"


def test_fields_hold_no_bytes_no_exception_text_and_nothing_nested_that_names_a_person() -> None:
    record = filtered("m", data=b"PATIENT", error=ValueError("A^B"), parts=({"mrn": "1", "size": 2}, "C^D"), mrn="9")
    assert record.data == "[removed]"  # type: ignore[attr-defined]
    assert record.error == "ValueError"  # type: ignore[attr-defined]
    assert record.parts == [{"size": 2}, "[removed]"]  # type: ignore[attr-defined]
    assert not hasattr(record, "mrn")


def test_a_record_that_says_an_exception_but_has_none_is_let_through_without_it() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "m", (), (None, None, None))
    assert IdentifierFilter().filter(record)
    assert record.exc_info is None


def test_s3_is_addressed_by_path_only_where_the_endpoint_is_overridden(
    cloud: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (aws.client("s3").meta.config.s3 or {}).get("addressing_style") != "path"
    aws.forget()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert aws.client("s3").meta.config.s3["addressing_style"] == "path"


@dataclass(frozen=True, kw_only=True)
class Optional:
    bucket: str
    limit: int = 7


def test_a_setting_with_a_default_may_be_absent_and_must_still_be_right_when_present() -> None:
    assert settings.load(Optional, {"BUCKET": "b", "LIMIT": " "}) == Optional(bucket="b", limit=7)
    with pytest.raises(ConfigurationError, match="LIMIT must be a number"):
        settings.load(Optional, {"BUCKET": "b", "LIMIT": "many"})


def test_an_event_that_is_in_work_elsewhere_comes_again_later(idempotency_table: Any) -> None:
    def inner() -> dict[str, Any]:
        with pytest.raises(TransientError):
            once("idempotency", "event-1", None, work)
        return {"decision": "outer"}

    def work() -> dict[str, Any]:
        return {"decision": "never twice at once"}

    assert once("idempotency", "event-1", None, inner) == {"decision": "outer"}


def test_a_meter_without_a_writer_says_so_and_the_real_one_writes(capsys: Any) -> None:
    with pytest.raises(NotImplementedError):
        Meter().count("LabelsWaiting")
    EmfMeter().count("LabelsWaiting", 3)
    provider().flush_metrics()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["LabelsWaiting"] == [3.0]
    provider().flush_metrics()
    assert not capsys.readouterr().out, "nothing was counted, nothing is written"


def test_where_a_tracing_daemon_listens_handlers_are_traced_without_event_and_answer(tmp_path: Path) -> None:
    program = (
        "import aws_lambda_powertools as powertools\n"
        "seen = {}\n"
        "class Tracer:\n"
        "    def capture_lambda_handler(self, function, **options):\n"
        "        seen.update(options)\n"
        "        return function\n"
        "powertools.Tracer = Tracer\n"
        "from lambda_shared.runtime import lambda_handler\n"
        "lambda_handler(lambda event, context: {})\n"
        "assert seen == {'capture_response': False, 'capture_error': False}, seen\n"
    )
    environ = {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000", "PYTHONPATH": str(ROOT / "lambdas/shared/src")}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class RacingTable:
    """A table that refuses a write as if the item existed, and then does not have it."""

    name = "image-tracking"

    def __init__(self, code: str, unprocessed: int = 0) -> None:
        self._code = code
        self.meta = self
        self.client = self
        self._unprocessed = unprocessed

    def refuse(self, **_: Any) -> Any:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": self._code}}, "Operation")

    put_item = update_item = refuse

    def get_item(self, **_: Any) -> Any:
        return {}

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803
        return {"Responses": {}, "UnprocessedKeys": RequestItems}


def image() -> Any:
    from lambda_shared.tracking import TrackedImage

    item = {
        "object_id": "a" * 32,
        "upload_key": "upload/k",
        "etag": "e",
        "size_bytes": 1,
        "status": "RECEIVED",
        "deid_status": "PENDING",
        "received_at": "2026",
        "updated_at": "2026",
    }
    return TrackedImage.from_item(item)


def test_an_item_that_vanishes_between_two_reads_is_tried_again() -> None:
    with pytest.raises(TransientError, match="vanished"):
        DynamoTrackingTable(RacingTable("ConditionalCheckFailedException")).register(image())


def test_a_refused_write_is_not_taken_for_an_item_that_exists() -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError):
        DynamoTrackingTable(RacingTable("AccessDeniedException")).register(image())


def test_keys_that_the_table_never_answers_for_are_not_taken_for_absent() -> None:
    with pytest.raises(TransientError, match="did not answer for all keys"):
        DynamoTrackingTable(RacingTable("")).statuses(["a" * 32])


def test_a_handler_without_a_daemon_is_not_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS", raising=False)
    context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    assert lambda_handler(lambda event, _: {"got": event["x"]})({"x": 1}, context) == {"got": 1}


def test_the_outbox_is_read_page_by_page_and_an_event_of_another_version_stays_in() -> None:
    def item(name: str) -> dict[str, str]:
        return {"event_id": name, "detail_type": "Unheard", "data": "{}", "created_at": "2026"}

    asked: list[Any] = []

    def scan(**request: Any) -> dict[str, Any]:
        asked.append(request.get("ExclusiveStartKey"))
        last = {"event_id": "a"} if len(asked) == 1 else None
        return {"Items": [item("a" if last else "b")], "LastEvaluatedKey": last}

    found = list(DynamoOutbox(SimpleNamespace(scan=scan)).undelivered("2027"))
    assert [one.event_id for one in found] == ["a", "b"]
    assert asked == [None, {"event_id": "a"}]
    with pytest.raises(NotFoundError):
        found[0].event()
