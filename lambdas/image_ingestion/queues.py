"""The function's two queues: uploads, which start the workflow in groups, and studies that ask for their import.

Only the messages that failed come back, each after a pause that doubles with every try instead of the queue's whole
visibility timeout: that one is long because it must outlast the function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from image_ingestion.imports import Decision
from image_ingestion.models import ImportRequest, ObjectReference, UploadMessage
from image_ingestion.ports import Deliveries, Workflow
from lambda_shared.logs import describe, logger

FIRST_PAUSE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 900
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class QueueConsumer:
    """Acts on the records of one invocation, of either queue."""

    request_imports: Callable[[list[ImportRequest]], dict[str, Decision | Exception]]
    workflow: Workflow
    deliveries: Deliveries
    objects_per_execution: int = 100

    def consume(self, records: list[Record]) -> dict[str, list[dict[str, str]]]:
        """Answers which messages failed (ReportBatchItemFailures); a message that is not ours fails, too."""
        failed: dict[str, Exception] = {}
        uploads: dict[str, UploadMessage] = {}
        imports: dict[str, ImportRequest] = {}
        for record in records:
            try:
                if '"objects"' in record["body"]:
                    uploads[record["messageId"]] = UploadMessage.model_validate_json(record["body"])
                else:
                    imports[record["messageId"]] = ImportRequest.model_validate_json(record["body"])
            except Exception as error:
                failed[record["messageId"]] = error
        failed |= self._start(uploads) | self._import(imports)
        for record in records:
            if error := failed.get(record["messageId"]):
                logger().error("A queue message failed", extra=describe(error))
                self._delay(record)
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    def _start(self, messages: dict[str, UploadMessage]) -> dict[str, Exception]:
        """Executions for all uploads of the invocation, the same object once."""
        objects = {_identity(one): one for message in messages.values() for one in message.objects}
        names, failed = sorted(objects), dict[str, Exception]()
        for begin in range(0, len(names), self.objects_per_execution):
            group = names[begin : begin + self.objects_per_execution]
            try:
                self.workflow.start([objects[key].model_dump() for key in group], execution_name(group))
            except Exception as error:
                failed |= dict.fromkeys(group, error)
        return {
            identifier: failed[name]
            for identifier, message in messages.items()
            for name in map(_identity, message.objects)
            if name in failed
        }

    def _import(self, messages: dict[str, ImportRequest]) -> dict[str, Exception]:
        if not messages:
            return {}
        answers = self.request_imports(list(messages.values()))
        for study_key, answer in answers.items():
            if isinstance(answer, str):
                logger().info("import request", extra={"study_key": study_key, "decision": answer})
        return {
            identifier: answer
            for identifier, message in messages.items()
            if isinstance(answer := answers[message.study_key], Exception)
        }

    def _delay(self, record: Record) -> None:
        """Best effort: without it the message comes again after the visibility timeout."""
        try:
            received = int(record["attributes"]["ApproximateReceiveCount"])
            seconds = min(FIRST_PAUSE_SECONDS * 2 ** (received - 1), LONGEST_PAUSE_SECONDS)
            self.deliveries.delay(record["eventSourceARN"], record["receiptHandle"], seconds)
        except Exception as error:
            logger().warning("A message keeps its visibility timeout", extra=describe(error))


def execution_name(identities: Iterable[str]) -> str:
    """The same group of uploads has the same name, so a group delivered twice is started once."""
    return f"upload-{hashlib.sha256('|'.join(sorted(identities)).encode()).hexdigest()[:48]}"


def _identity(reference: ObjectReference) -> str:
    return f"{reference.bucket}/{reference.key}#{reference.etag}"
