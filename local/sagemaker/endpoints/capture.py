"""Data capture: requests and answers of an endpoint as JSON lines in S3, in the service's format (eventVersion 0)."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import random
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.ports import Credentials, StorageError, split_uri

_FLUSH_SECONDS = 2.0
_DEFAULT_JSON = ("application/json", "application/jsonlines")
_DEFAULT_CSV = ("text/csv",)
logger = logging.getLogger(__name__)


class Capture:
    """Collects records per variant and writes them every few seconds as the model's role."""

    def __init__(self, context: Context, endpoint: str, config: Mapping[str, Any], caller: Credentials) -> None:
        self._context, self._endpoint, self._config, self._caller = context, endpoint, config, caller
        self._modes = {option["CaptureMode"] for option in config.get("CaptureOptions") or []}
        headers = config.get("CaptureContentTypeHeader") or {}
        self._json = (*_DEFAULT_JSON, *headers.get("JsonContentTypes", ()))
        self._csv = (*_DEFAULT_CSV, *headers.get("CsvContentTypes", ()))
        self._records: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._random = random.Random()  # noqa: S311 - sampling, not security
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, variant: str, given: tuple[str, bytes], answered: tuple[str, bytes], told: Mapping[str, Any]) -> None:
        """Take one invocation, as (content type, body) each, if it is in the sample; `told` is what its caller says."""
        if self._random.uniform(0, 100) >= float(self._config["InitialSamplingPercentage"]):
            return
        data: dict[str, Any] = {}
        if self._modes & {"Input", "InputAndOutput"}:
            data["endpointInput"] = self._part("INPUT", *given)
        if self._modes & {"Output", "InputAndOutput"}:
            data["endpointOutput"] = self._part("OUTPUT", *answered)
        now = dt.datetime.fromtimestamp(self._context.clock.now(), dt.UTC)
        metadata = {"eventId": str(uuid.uuid4()), "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"), **told}
        line = json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"})
        with self._lock:
            self._records.setdefault(variant, []).append(line)

    def close(self) -> None:
        """Write what is left."""
        self._closed.set()
        self._thread.join()

    def _part(self, mode: str, content_type: str, body: bytes) -> dict[str, Any]:
        base = content_type.partition(";")[0].strip()
        try:
            encoding = "JSON" if base in self._json else "CSV" if base in self._csv else "BASE64"
            text = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode()
        except UnicodeDecodeError:
            encoding, text = "BASE64", base64.b64encode(body).decode()
        return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}

    def _run(self) -> None:
        while not self._closed.wait(_FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            records, self._records = self._records, {}
        bucket, prefix = split_uri(self._config["DestinationS3Uri"])
        for variant, lines in records.items():
            now = dt.datetime.fromtimestamp(self._context.clock.now(), dt.UTC)
            name = now.strftime("%Y/%m/%d/%H/%M-%S-") + f"{now.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
            key = "/".join(part for part in (prefix.strip("/"), self._endpoint, variant, name) if part)
            try:
                store = self._context.cloud.storage(self._caller)
                store.write(bucket, key, ("\n".join(lines) + "\n").encode(), self._config.get("KmsKeyId"))
            except StorageError as error:
                logger.warning("Data capture of %s is lost: %s", self._endpoint, error.code)
