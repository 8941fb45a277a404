"""The model artifact: SavedModel for TensorFlow Serving, ONNX for the independent check, handler and metadata.

<model>/1/saved_model.pb ...   model.onnx   metadata.json   code/inference.py, requirements.txt, lib/training/
The SavedModel answers as serving_default (serve), as raw to an image's bytes, and, with heat maps, as explain.
"""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training import explain, names, pixels
from training.failure import TrainingError
from training.model import INPUT_NAME, OUTPUT_NAME
from training.split import patient_digest

if TYPE_CHECKING:
    import keras

    from training.checkpoint import Progress
    from training.dataset import Split

THRESHOLD = 0.5
"""Probability from which the finding is pneumonia; fixed, because tuning it on few patients would fit their noise."""
PARITY = 1e-4
"""Largest difference between SavedModel and ONNX probabilities that float32 arithmetic explains."""
RAW_INPUT = "pixels"
_HANDLER_MODULES = ("__init__.py", "appearance.py", "names.py", "pixels.py")
_HERE = Path(__file__).resolve().parent


def metadata(config: dict[str, Any], splits: list[Split], progress: Progress) -> dict[str, Any]:
    """What a consumer of the artifact must know; patients as digests, for the leak check of the evaluation."""
    size = config["image_size"]
    return {
        "schema": "model-metadata/1",
        "config": config,
        "classes": list(names.FINDINGS),
        "threshold": THRESHOLD,
        "input": {"name": INPUT_NAME, "shape": [None, size, size, 1], "dtype": "float32", "range": [0.0, 1.0]},
        "output": {"name": OUTPUT_NAME, "shape": [None, 1], "meaning": "probability of pneumonia"},
        "preparation": pixels.window_metadata(),
        "snapshot_id": splits[0].manifest["snapshot_id"],
        "snapshot_sha256": splits[0].manifest["snapshot_sha256"],
        "manufacturers": _manufacturers(splits[0]),
        "versions": _versions(),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_validation_loss": progress.best_loss,
        "seen_patients": sorted(patient_digest(patient) for split in splits for patient in split.patients()),
    }


def _manufacturers(split: Split) -> list[str]:
    """Whose scanners the snapshot holds: any other name that the endpoint meets is told as "other"."""
    return sorted(split.manifest.get("appearance", {}).get("categories", {}).get("manufacturer", {}))


def _versions() -> dict[str, str]:
    """What the figures can be repeated with; TensorFlow's distribution has another name on each kind of machine."""
    import tensorflow as tf

    recorded = {name: version(name) for name in ("keras", "numpy", "onnxruntime")}
    return {"python": platform.python_version(), "tensorflow": tf.__version__, **recorded}


def export(model: keras.Model, directory: Path, described: dict[str, Any], sample: np.ndarray) -> None:
    """Write the artifact and prove that both formats answer alike on `sample`. # sample: (N, S, S) float32 0..1

    Raises:
        TrainingError: the two formats differ by more than PARITY.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _saved_model(model, directory / "1")
    model.export(str(directory / "model.onnx"), format="onnx", verbose=False)
    difference = _difference(directory, sample[..., None])
    if difference > PARITY:
        raise TrainingError(f"the artifact's forms differ by {difference:.2g} on the same images (limit {PARITY:g})")
    (directory / names.MODEL_METADATA_FILE).write_text(json.dumps(described, indent=1, sort_keys=True))
    _copy_handler(directory / "code")
    print(f"[train] exported SavedModel and ONNX; largest difference {difference:.2g}", flush=True)


def _saved_model(model: keras.Model, directory: Path) -> None:
    """As Keras exports a model, and over the same weights two more signatures: pixels as bytes, and heat maps."""
    import keras
    import tensorflow as tf

    shape = (None, *model.input.shape[1:])
    archive = keras.export.ExportArchive()
    archive.track_and_add_endpoint("serve", model, [tf.TensorSpec(shape, tf.float32, name=INPUT_NAME)])
    raw = raw_function(model)
    archive.add_endpoint(names.RAW_SIGNATURE, raw, [tf.TensorSpec((None,), tf.string, name=RAW_INPUT)])
    heat = explain.heat_function(model, OUTPUT_NAME)
    archive.add_endpoint(explain.SIGNATURE, heat, [tf.TensorSpec(shape, tf.float32, name=INPUT_NAME)])
    archive.write_out(str(directory), verbose=False)


def raw_function(model: keras.Model) -> Callable[[Any], Any]:
    """A function of images as bytes (N,), each S x S little-endian float32, to probabilities (N, 1).

    The predict API of TensorFlow Serving has two forms for a value: JSON text, number by number, and {"b64": bytes}.
    Of 224 x 224 pixels the text takes longer to write and read than the model takes to answer.
    https://www.tensorflow.org/tfx/serving/api_rest#encoding_binary_values
    """
    import tensorflow as tf

    shape = model.input.shape[1:]  # (S, S, 1)

    def raw(pixels: Any) -> Any:
        values = tf.io.decode_raw(pixels, tf.float32, little_endian=True)  # (N, S * S); rows of another length: error
        return model(tf.reshape(values, (tf.shape(pixels)[0], *shape)), training=False)

    return raw


def _difference(directory: Path, images: np.ndarray) -> float:
    """The largest difference of ONNX's answer and of the raw signature's from the serving signature's."""
    import onnxruntime
    import tensorflow as tf

    session = onnxruntime.InferenceSession(str(directory / "model.onnx"), providers=["CPUExecutionProvider"])
    by_onnx = np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0]).ravel()
    loaded = tf.saved_model.load(str(directory / "1"))
    raw = loaded.signatures[names.RAW_SIGNATURE](**{RAW_INPUT: tf.constant([one.tobytes() for one in images])})
    expected = _scores(loaded, images)
    others = (by_onnx, np.asarray(next(iter(raw.values()))).ravel())
    return max(float(np.abs(found - expected).max()) for found in others)


def saved_model_scores(directory: Path, images: np.ndarray, batch_size: int = 32) -> np.ndarray:
    """Probabilities by the SavedModel's serving signature, as TensorFlow Serving calls it. # (N, S, S, 1) -> (N,)"""
    import tensorflow as tf

    return _scores(tf.saved_model.load(str(directory)), images, batch_size)


def _scores(loaded: Any, images: np.ndarray, batch_size: int = 32) -> np.ndarray:
    import tensorflow as tf

    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    found = [
        np.asarray(next(iter(serve(**{name: tf.constant(images[start : start + batch_size])}).values()))).ravel()
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(found)


def _copy_handler(code: Path) -> None:
    """The serving container adds code/ and runs code/inference.py; what the handler imports lies in code/lib."""
    package = code / "lib" / "training"
    package.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_HERE / "inference.py", code / "inference.py")
    for name in _HANDLER_MODULES:
        shutil.copyfile(_HERE / name, package / name)
    requirements = (_HERE.parent / "requirements.txt", _HERE / "requirements.txt")
    text = next(path for path in requirements if path.is_file()).read_text()
    wanted = [line for line in text.splitlines() if line.startswith("pydicom==")]
    (code / "requirements.txt").write_text("\n".join([*wanted, "numpy"]) + "\n")
