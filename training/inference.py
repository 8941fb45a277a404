"""The endpoint's handler in the TensorFlow Serving container (code/inference.py of the model artifact).

In:  application/dicom (one CT image); or the model's own input, values 0..1: application/x-npy with an array of
     (S, S), (N, S, S) or (N, S, S, 1), or application/json with an (S, S) array, a list of them, or
     {"instances": [...]}.
     JSON text takes two to five times the bytes of the same pixels, and of a batch more time: see bench/README.md.
Out: application/json {"probability", "finding", "threshold", "appearance", "model_version"?}; for several images
     {"predictions": [...]}. An input that cannot be judged raises, which the container answers as an error.
     With the custom attribute explain=true: {"explanations": [{"image", "heat"}]}, the prepared image (S, S) and its
     heat map (h, w), both 0..1.
     "appearance" is what the drift check reads from the captured answers (training.appearance): no pixel, no patient.
"""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
if (_HERE / "lib").is_dir():  # inside the artifact; in the repository `training` is importable as it is
    sys.path.insert(0, str(_HERE / "lib"))

import numpy as np  # noqa: E402

from training import appearance, pixels  # noqa: E402
from training.names import RAW_SIGNATURE  # noqa: E402

try:  # in the project's inference image; AWS's own image has the standard library's parser, seven times slower
    from orjson import loads
except ImportError:
    from json import loads

DICOM, NPY, JSON = "application/dicom", "application/x-npy", "application/json"
EXPLAIN = "explain=true"
"""Custom attribute that asks for heat maps: the SavedModel's other signature (training/explain.py)."""
_request = threading.local()
"""Both handlers of a request run in one thread: the first leaves here what its images look like."""


@lru_cache(maxsize=1)
def model_metadata() -> dict[str, Any]:
    """metadata.json at the artifact's root, one level above code/."""
    return json.loads((_HERE.parent / "metadata.json").read_text())


def input_handler(data: Any, context: Any) -> bytes:
    """The request as TensorFlow Serving's predict body: the pixels as bytes for the signature that takes them so.

    Raises:
        ValueError: another content type, or pixels of another shape or range.
        training.pixels.UnusableImageError: a DICOM image that must not be judged (its `code` says why).
    """
    content = data.read()
    content_type = (context.request_content_type or "").split(";", 1)[0].strip().lower()
    size = int(model_metadata()["config"]["image_size"])
    if content_type == DICOM:
        dataset = pixels.load(content)
        images = pixels.prepare(dataset, size)[None]
        looks = [appearance.of_dicom(dataset, images[0])]
    elif reader := _READERS.get(content_type):
        images = _own_input(reader(content), size)
        looks = appearance.of_images(images)
    else:
        raise ValueError(f"send {DICOM}, {NPY} or {JSON}, not {content_type or 'an unnamed type'}")
    known = model_metadata().get("manufacturers", [])
    if _explains(context):
        _request.prepared = images
        return json.dumps({"signature_name": "explain", "instances": images[..., None].round(5).tolist()}).encode()
    _request.appearances = [appearance.known_only(one, known) for one in looks]
    return _raw_request(images)


def _raw_request(images: np.ndarray) -> bytes:
    """The predict body whose instances are the pixels' bytes (training.export.raw_function). # (N, S, S)"""
    encoded = (base64.b64encode(image) for image in np.ascontiguousarray(images, "<f4"))
    instances = b",".join(b'{"b64":"' + text + b'"}' for text in encoded)
    return b'{"signature_name":"%s","instances":[%s]}' % (RAW_SIGNATURE.encode(), instances)


def _from_json(content: bytes | str) -> np.ndarray:
    body = loads(content)
    values = body["instances"] if isinstance(body, dict) else body
    try:
        return _packed(values)
    except (struct.error, OverflowError, TypeError, LookupError):
        # another form, or none: NumPy knows, or says what is wrong; too large a number is refused as infinity
        with np.errstate(over="ignore"):
            return np.asarray(values, np.float32)


def _packed(images: list[list[list[float]]]) -> np.ndarray:
    """(N, S, S) from lists of that depth, in half the time that NumPy takes, which looks at every number twice."""
    shape = (len(images), len(images[0]), len(images[0][0]))
    if any(len(image) != shape[1] for image in images):
        raise TypeError("images of several heights")
    row = struct.Struct(f"<{shape[2]}f")
    packed = b"".join([row.pack(*values) for image in images for values in image])
    return np.frombuffer(packed, "<f4").reshape(shape)


def _from_npy(content: bytes) -> np.ndarray:
    """NumPy's own format; never a pickle, which would be code."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"the body is no array in NumPy's format (numpy.save): {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise ValueError("expected one array of real numbers (numpy.save)")
    return array.astype(np.float32, copy=False)


_READERS: dict[str, Callable[[bytes], np.ndarray]] = {JSON: _from_json, NPY: _from_npy}


def _own_input(array: np.ndarray, size: int) -> np.ndarray:
    """(N, S, S) float32 from an array in one of the forms of the module's docstring."""
    if array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not len(array) or array.shape[1] != array.shape[2]:
        raise ValueError(f"expected square images of {size} x {size} values")
    if not np.isfinite(array).all() or array.min() < 0.0 or array.max() > 1.0:
        raise ValueError("values must lie between 0 and 1 (lung window): send the DICOM object to have it prepared")
    return array if array.shape[1] == size else np.stack([pixels.square(image, size) for image in array])


def output_handler(response: Any, context: Any) -> tuple[bytes, str]:
    """TensorFlow Serving's answer as findings.

    Raises:
        ValueError: the server did not answer with predictions.
    """
    if response.status_code != 200:
        raise ValueError(f"the model server answered {response.status_code}")
    predictions = loads(response.content)["predictions"]
    if _explains(context):
        return json.dumps({"explanations": _explanations(predictions)}).encode(), JSON
    scores = np.asarray(predictions, np.float64).ravel()
    looks = getattr(_request, "appearances", [])
    _request.appearances = []
    findings = [finding(float(score)) for score in scores]
    if len(looks) == len(findings):
        findings = [{**found, "appearance": one} for found, one in zip(findings, looks, strict=True)]
    body = findings[0] if len(findings) == 1 else {"predictions": findings}
    return json.dumps(body).encode(), JSON


def _explains(context: Any) -> bool:
    return EXPLAIN in (getattr(context, "custom_attributes", None) or "").replace(" ", "").split(",")


def _explanations(maps: list[Any]) -> list[dict[str, Any]]:
    """Each prepared image beside its heat map."""
    prepared = _request.prepared
    del _request.prepared
    return [
        {"image": image.round(3).tolist(), "heat": np.asarray(heat, np.float64).round(4).tolist()}
        for image, heat in zip(prepared, maps, strict=True)
    ]


def finding(probability: float) -> dict[str, Any]:
    """One judged image: probability, finding by the artifact's threshold, and the registered version.

    The version is told by the registry when it deploys; the number that TensorFlow Serving gives is its own.
    """
    described = model_metadata()
    threshold = float(described["threshold"])
    version = os.environ.get("MODEL_VERSION")
    return {
        "probability": round(probability, 6),
        "finding": described["classes"][int(probability >= threshold)],
        "threshold": threshold,
        **({"model_version": str(version)} if version else {}),
    }
