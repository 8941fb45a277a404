"""What `bench.inference` times: an artifact, the ways to ask it, and one server process."""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from training import pixels

CONTAINER = Path(__file__).resolve().parents[2] / "local/sagemaker/container"
AGREEMENT = 2e-4
"""Largest difference of probabilities: JSON sends five digits of a pixel."""
WARM_UP = 1
START_SECONDS = 180
DICOM, JSON, NPY = "application/dicom", "application/json", "application/x-npy"
Ask = Callable[[], np.ndarray]


def artifact(backbone: str, size: int, folder: Path) -> Path:
    """An artifact as training exports it, with random weights: speed does not ask what was learned."""
    import keras

    from training.export import THRESHOLD, export
    from training.model import build
    from training.names import FINDINGS

    say(f"export of {backbone} at {size} pixels")
    keras.utils.set_random_seed(1)
    described = {
        "config": {"backbone": backbone, "image_size": size},
        "classes": list(FINDINGS),
        "threshold": THRESHOLD,
    }
    sample = np.random.default_rng(1).random((2, size, size), np.float32)
    with contextlib.redirect_stdout(io.StringIO()):
        export(build(backbone, size).model, folder, described, sample)
    return folder


def measure(model: Path, batches: list[int], rounds: int, scratch: Path, requests: list[str]) -> dict[str, Any]:
    """Median milliseconds of every way for every request, and the endpoint's overhead over the bare model."""
    described = json.loads((model / "metadata.json").read_text())["config"]
    size = int(described["image_size"])
    slice_bytes = ct_slice()
    random = np.random.default_rng(2)
    asked: list[tuple[str, str, np.ndarray, bytes]] = []
    for pictures in (random.random((count, size, size), np.float32).round(5) for count in batches):
        asked += [form(kind, pictures) for kind in requests if kind != "DICOM"]
    if "DICOM" in requests:
        asked.append(("DICOM", DICOM, pixels.from_dicom(slice_bytes, size)[None], slice_bytes))
    bare, by_onnx, handler = saved_model(model), onnx_runtime(model), in_process(model)
    rows: list[dict[str, Any]] = []
    with endpoint(model, scratch) as post:
        for kind, content_type, pictures, body in asked:
            say(f"{kind}, {len(pictures)} images")
            ways: dict[str, Ask] = {
                "SavedModel": lambda pictures=pictures: bare(pictures),
                **({"prepare + model": lambda body=body: bare(prepared(body, size))} if kind == "DICOM" else {}),
                "ONNX Runtime": lambda pictures=pictures: by_onnx(pictures),
                "handler": lambda body=body, kind=content_type: handler(body, kind),
                "endpoint": lambda body=body, kind=content_type: post(body, kind),
            }
            rows.append({"request": kind, "images": len(pictures), "bytes": len(body), **timed(ways, rounds)})
            say(f"  milliseconds {rows[-1]['milliseconds']}")
    return {
        "model": f"{described['backbone']} at {size} pixels",
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "requests": rows,
    }


def timed(ways: dict[str, Ask], rounds: int) -> dict[str, Any]:
    """Every way in turn, `rounds` times after the warm-up.

    Raises:
        SystemExit: two ways do not answer alike.
    """
    answers = {way: ask() for way, ask in ways.items()}
    expected = answers["SavedModel"]
    for way, answer in answers.items():
        if answer.shape != expected.shape or not np.abs(answer - expected).max() <= AGREEMENT:
            sys.exit(f"{way} answers otherwise than the SavedModel: no figures")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(WARM_UP + rounds):
        for way, ask in ways.items():
            begin = time.perf_counter()
            ask()
            if number >= WARM_UP:
                seconds[way].append(time.perf_counter() - begin)
    middle = {way: statistics.median(found) for way, found in seconds.items()}
    bare = middle["SavedModel"]
    return {
        "milliseconds": {way: round(1000 * found, 2) for way, found in middle.items()},
        "spread": {way: [round(min(s) / middle[way], 2), round(max(s) / middle[way], 2)] for way, s in seconds.items()},
        "overhead": {
            "over the SavedModel": round(middle["endpoint"] / bare - 1, 3),
            "over prepare + model": round(middle["endpoint"] / middle.get("prepare + model", bare) - 1, 3),
        },
        "onnx_over_saved_model": round(middle["ONNX Runtime"] / bare, 3),
    }


def form(kind: str, pictures: np.ndarray) -> tuple[str, str, np.ndarray, bytes]:
    """A request of one kind: its name, content type, the pixels that it holds, its body. # (N, S, S)"""
    if kind == "NPY":
        return kind, NPY, pictures, as_npy(pictures)
    if kind == "NPY-16":
        half = pictures.astype(np.float16)
        return kind, NPY, half.astype(np.float32), as_npy(half)
    numbers = pictures if kind == "JSON" else pictures.astype(np.float64).round(5)
    return kind, JSON, pictures, json.dumps({"instances": numbers.tolist()}).encode()


def as_npy(pictures: np.ndarray) -> bytes:
    """NumPy's own format, as a client sends it."""
    target = io.BytesIO()
    np.save(target, pictures)
    return target.getvalue()


def prepared(content: bytes, size: int) -> np.ndarray:
    """The work on a DICOM object that no server can leave out. # (1, S, S)"""
    return pixels.from_dicom(content, size)[None]


def ct_slice() -> bytes:
    """One CT slice of 512 x 512: pydicom's own small one, every pixel sixteen times."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    wide = dataset.pixel_array.repeat(512 // dataset.Rows, axis=0).repeat(512 // dataset.Columns, axis=1)
    dataset.Rows, dataset.Columns = wide.shape
    dataset.PixelData = wide.tobytes()
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


def saved_model(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The SavedModel's serving signature, called from Python."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model / "1"))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def ask(pictures: np.ndarray, _kept: Any = loaded) -> np.ndarray:
        return np.asarray(next(iter(serve(**{name: tf.constant(pictures[..., None])}).values()))).ravel()

    return ask


def onnx_runtime(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The ONNX file under ONNX Runtime, as many threads as it takes by itself.

    They sleep when they have nothing to do: by default they spin, and the way that is timed next has a core less.
    """
    import onnxruntime

    quiet = onnxruntime.SessionOptions()
    quiet.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(model / "model.onnx"), quiet, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pictures: np.asarray(session.run(None, {name: pictures[..., None]})[0]).ravel()


def in_process(model: Path) -> Callable[[bytes, str], np.ndarray]:
    """The server's application without its HTTP."""
    sys.path.append(str(CONTAINER))
    from local_serving_model import Application

    application = Application(model, 0, os.environ)
    return lambda body, kind: probabilities(application.invoke(body, {"Content-Type": kind}).body)


@contextlib.contextmanager
def endpoint(model: Path, scratch: Path) -> Iterator[Callable[[bytes, str], np.ndarray]]:
    """The local stack's model server in a process of its own, asked over one connection."""
    port_file, log = scratch / "port", scratch / "server.log"
    command = [sys.executable, str(CONTAINER / "local_serving_http.py"), str(model), str(port_file)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as server:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", _port(server, port_file, log), timeout=60)

            def post(body: bytes, kind: str) -> np.ndarray:
                connection.request("POST", "/invocations", body, {"Content-Type": kind})
                reply = connection.getresponse()
                content = reply.read()
                if reply.status != http.client.OK:
                    sys.exit(f"the endpoint answered {reply.status}: {content[:300]!r}")
                return probabilities(content)

            yield post
            connection.close()
        finally:
            server.terminate()


def _port(server: subprocess.Popen[bytes], port_file: Path, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while not port_file.is_file():
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the model server did not start: {log.read_text()[-500:]}")
        time.sleep(0.1)
    return int(port_file.read_text())


def probabilities(answer: bytes) -> np.ndarray:
    """Of the handler's answer, one image or several. # (N,)"""
    said = json.loads(answer)
    return np.array([one["probability"] for one in said.get("predictions", [said])])


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{found['model']}, {found['cores']} cores, load {found['load_average']}; milliseconds, medians"]
    columns = ("SavedModel", "prepare + model", "ONNX Runtime", "handler", "endpoint")
    overheads = ("over the SavedModel", "over prepare + model")
    lines.append(f"{'request':<12}" + "".join(f"{name:>22}" for name in (*columns, *overheads)))
    for row in found["requests"]:
        label = f"{row['request']} x {row['images']}"
        figures = "".join(f"{row['milliseconds'].get(name, ''):>22}" for name in columns)
        lines.append(f"{label:<12}{figures}" + "".join(f"{row['overhead'][name]:>+22.1%}" for name in overheads))
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    """Progress, apart from the figures."""
    sys.stderr.write(f"{text}\n")
