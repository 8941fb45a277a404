"""What happens inside the TensorFlow Serving container: SavedModel, inference script, REST predictions."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import re
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# The fields that the TensorFlow Serving container gives to input_handler, output_handler and handler.
Context = namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, custom_attributes, request_content_type, "
    "accept_header, content_length",
)
_PREDICT = re.compile(r"^/v1/models/([^/:]+)(?:/versions/(\d+))?(?::(predict))?$")


class RequestError(Exception):
    """The request is wrong: HTTP 4xx."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; also what output_handler gets, so it has the members of `requests.Response` that scripts use."""

    body: bytes
    content_type: str
    status: int = 200

    @property
    def status_code(self) -> int:
        return self.status

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def content(self) -> bytes:
        return self.body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type}

    def json(self) -> Any:
        return json.loads(self.body)


class SavedModel:
    """A SavedModel bundle behind the predict API (JSON row and column formats of TensorFlow Serving)."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf  # pyright: ignore[reportMissingImports] - the train interpreter has it

        self._tf = tf
        self._loaded = tf.saved_model.load(str(folder))

    def predict(self, body: bytes) -> Reply:
        """Answer one JSON request."""
        try:
            request = json.loads(body)
        except ValueError as error:
            raise RequestError(f"JSON Parse error: {error}") from error
        if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
            raise RequestError("Exactly one of 'instances' and 'inputs' is needed")
        name = request.get("signature_name", "serving_default")
        if name not in self._loaded.signatures:
            raise RequestError(f'Serving signature name: "{name}" not found in signature def', 404)
        signature = self._loaded.signatures[name]
        specifications = signature.structured_input_signature[1]
        rows = "instances" in request
        columns = _columns(request["instances"] if rows else request["inputs"], list(specifications), rows=rows)
        inputs = {key: self._tensor(value, specifications[key].dtype) for key, value in columns.items()}
        outputs = {key: value.numpy().tolist() for key, value in signature(**inputs).items()}
        single = next(iter(outputs.values())) if len(outputs) == 1 else None
        if not rows:
            answer = {"outputs": outputs if single is None else single}
        elif single is not None:
            answer = {"predictions": single}
        else:
            answer = {
                "predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
            }
        return Reply(json.dumps(answer).encode(), "application/json")

    def _tensor(self, value: Any, dtype: Any) -> Any:
        """NumPy reads nested lists of numbers several times faster than TensorFlow does."""
        return self._tf.constant(np.asarray(value, dtype.as_numpy_dtype), dtype=dtype)


class Application:
    """All models of /opt/ml/model and the inference script beside them."""

    def __init__(self, folder: Path, port: int, environment: Any) -> None:
        self._port = port
        sys.path[:0] = [str(folder / "code"), str(folder / "code" / "lib")]
        bundles = sorted(folder.glob("**/saved_model.pb"))
        found = {_name(folder, path): path.parent for path in bundles if path.parent.name.isdigit()}
        if not found:
            sys.exit("no SavedModel bundles found!")
        self._models = {key: SavedModel(path) for key, path in found.items()}
        default = environment.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME")
        newest = max(found, key=lambda key: key[1])
        self._default = max((key for key in found if key[0] == default), key=lambda key: key[1], default=newest)
        self._script = _load_script(folder / "code")

    def invoke(self, body: bytes, headers: Any) -> Reply:
        """POST /invocations."""
        context = self._context(headers, len(body))
        script = self._script
        if script is None:
            return self._model(context).predict(_as_json(body, context.request_content_type))
        if hasattr(script, "handler"):
            answer, content_type = script.handler(io.BytesIO(body), context)
        else:
            processed = script.input_handler(io.BytesIO(body), context)
            data = processed.encode() if isinstance(processed, str) else processed
            try:
                predicted = self._model(context).predict(data)
            except RequestError as error:
                predicted = Reply(json.dumps({"error": str(error)}).encode(), "application/json", error.status)
            answer, content_type = script.output_handler(predicted, context)
        return Reply(answer.encode() if isinstance(answer, str) else bytes(answer), content_type)

    def predict(self, path: str, body: bytes) -> Reply:
        """POST /v1/models/NAME[/versions/N]:predict."""
        match = _PREDICT.match(path)
        if match is None or match.group(3) is None:
            raise RequestError("Malformed request", 404)
        return self._find(match.group(1), match.group(2)).predict(body)

    def state(self, path: str) -> Reply:
        """GET /v1/models/NAME."""
        match = _PREDICT.match(path)
        if match is None:
            raise RequestError("Malformed request", 404)
        self._find(match.group(1), match.group(2))
        status = [
            {"version": str(version), "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            for name, version in self._models
            if name == match.group(1)
        ]
        return Reply(json.dumps({"model_version_status": status}).encode(), "application/json")

    def _find(self, name: str, version: str | None) -> SavedModel:
        versions = [key for key in self._models if key[0] == name and version in (None, str(key[1]))]
        if not versions:
            raise RequestError(f"Servable not found for request: {name}", 404)
        return self._models[max(versions, key=lambda key: key[1])]

    def _model(self, context: Context) -> SavedModel:
        return self._find(context.model_name, context.model_version)

    def _context(self, headers: Any, length: int) -> Context:
        attributes: str = headers.get("X-Amzn-SageMaker-Custom-Attributes") or ""
        pairs = [part.strip().partition("=") for part in attributes.split(",")]
        given = {key: value for key, _, value in pairs}
        name = given.get("tfs-model-name", self._default[0])
        version = given.get("tfs-model-version", None if "tfs-model-name" in given else str(self._default[1]))
        method = given.get("tfs-method", "predict")
        where = f"{name}/versions/{version}" if version else name
        return Context(
            model_name=name,
            model_version=version,
            method=method,
            rest_uri=f"http://127.0.0.1:{self._port}/v1/models/{where}:{method}",
            grpc_port=None,
            channel=None,
            custom_attributes=attributes,
            request_content_type=headers.get("Content-Type") or "application/json",
            accept_header=headers.get("Accept") or "application/json",
            content_length=length,
        )


def _name(folder: Path, bundle: Path) -> tuple[str, int]:
    """('model', 1) for 1/saved_model.pb, ('name', 1) for name/1/saved_model.pb."""
    version = bundle.parent
    return ("model" if version.parent == folder else version.parent.name, int(version.name))


def _load_script(code: Path) -> Any:
    path = code / "inference.py"
    if not path.is_file():
        return None
    specification = importlib.util.spec_from_file_location("inference", path)
    if specification is None or specification.loader is None:
        sys.exit("code/inference.py cannot be loaded")
    script = importlib.util.module_from_spec(specification)
    sys.modules["inference"] = script
    specification.loader.exec_module(script)
    if not hasattr(script, "handler") and not (hasattr(script, "input_handler") and hasattr(script, "output_handler")):
        sys.exit("Handlers are not implemented correctly in user script.")
    return script


def _as_json(body: bytes, content_type: str) -> bytes:
    """What the container's front end makes of a request without an inference script."""
    kind = content_type.partition(";")[0].strip()
    if kind == "application/json":
        return body
    lines = [line for line in body.decode().splitlines() if line.strip()]
    if kind in ("application/jsonlines", "application/jsons"):
        return json.dumps({"instances": [json.loads(line) for line in lines]}).encode()
    if kind == "text/csv":
        return json.dumps({"instances": [[float(cell) for cell in line.split(",")] for line in lines]}).encode()
    raise RequestError(f"Unsupported Media Type: {kind}", 415)


def _columns(values: Any, names: list[str], *, rows: bool) -> dict[str, Any]:
    """Tensor values by input name; one unnamed input takes the whole value."""
    values = _decode(values)
    if (
        rows
        and isinstance(values, list)
        and values
        and isinstance(values[0], dict)
        and not isinstance(values[0], bytes)
    ):
        if any(set(row) != set(names) for row in values):
            raise RequestError(f"Each instance must have exactly the inputs {', '.join(names)}")
        return {name: [row[name] for row in values] for name in names}
    if not rows and isinstance(values, dict):
        if set(values) != set(names):
            raise RequestError(f"The inputs must be exactly {', '.join(names)}")
        return values
    if len(names) != 1:
        raise RequestError(f"The model has the inputs {', '.join(names)}: name them")
    return {names[0]: values}


def _decode(value: Any) -> Any:
    """{"b64": text} is binary data. A row of numbers has none, and is not walked through."""
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            return base64.b64decode(value["b64"])
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return [_decode(item) for item in value]
    return value
