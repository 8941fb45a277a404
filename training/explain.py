"""Where the classifier looked: Grad-CAM (Selvaraju et al., ICCV 2017) of the last convolution, and its pictures.

The artifact carries it as the SavedModel's signature `explain`, which shares the weights of `serve`: whoever has the
model can ask it, without Keras. A heat map is no segmentation: it shows what moved the score, at the coarse resolution
of the last convolution.
"""

# pyright: reportMissingImports=false
# (Keras and TensorFlow live in the training environment, not in the project's)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.names import FINDINGS

if TYPE_CHECKING:
    import keras

SIGNATURE = "explain"
CASES = 4
"""Pictures of each kind: found, missed, false alarm, rightly normal."""
KINDS = {(1, True): "found", (1, False): "missed", (0, True): "false alarm", (0, False): "rightly normal"}


def heat_function(model: keras.Model, output_name: str) -> Callable[[Any], Any]:
    """A function of images (N, S, S, 1) to heat maps (N, h, w), 0 to 1, that TensorFlow can export.

    Args:
        model: a flat network, or one around a pretrained base (training.model).
        output_name: the dense layer that makes the probability.
    """
    import keras
    import tensorflow as tf

    head = model.get_layer(output_name)
    base = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)
    source, pooled = (model, head.input) if base is None else (base, base.output)
    # what the base reads: its own input is another tensor than the one that the outer network hands it
    before = None if base is None else keras.Model(model.input, model.layers[model.layers.index(base) - 1].output)
    convolution = next(layer.output for layer in reversed(source.layers) if len(layer.output.shape) == 4)
    inner = keras.Model(source.input, [convolution, pooled])

    def heat(images: Any) -> Any:
        with tf.GradientTape() as tape:
            features, vector = inner(images if before is None else before(images, training=False), training=False)
            # the score before the sigmoid: a sure answer has no gradient behind it
            score = tf.linalg.matmul(vector, tf.convert_to_tensor(head.kernel))
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
        raw = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))  # (N, h, w)
        return raw / (tf.reduce_max(raw, axis=(1, 2), keepdims=True) + 1e-12)

    return heat


def heat_maps(saved_model: Path, images: np.ndarray) -> np.ndarray | None:
    """Heat maps of an exported model; None where it has none. # (N, S, S, 1) -> (N, h, w)"""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved_model))  # holds the variables: they go with it
    explain = getattr(loaded, SIGNATURE, None)
    return None if explain is None else np.asarray(explain(tf.constant(images)))


def chosen(labels: np.ndarray, scores: np.ndarray, threshold: float, cases: int = CASES) -> list[tuple[int, str]]:
    """Rows to show with their kind: of each kind the surest ones, because those errors teach most."""
    called = scores >= threshold
    found: list[tuple[int, str]] = []
    for (label, positive), kind in KINDS.items():
        rows = np.flatnonzero((labels == label) & (called == positive))
        surest = rows[np.argsort(-np.abs(scores[rows] - threshold), kind="stable")]
        found += [(int(row), kind) for row in surest[:cases]]
    return found


def draw(images: np.ndarray, maps: np.ndarray, captions: list[str], path: Path) -> None:
    """A sheet of slices, each beside itself under its heat map; captions carry no key. # (N, S, S), (N, h, w)"""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    size, columns = images.shape[1], 2 * min(CASES, len(images))
    rows = -(-2 * len(images) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(1.6 * columns, 1.8 * rows), layout="constrained", squeeze=False
    )
    for cell in axes.flat:
        cell.axis("off")
    for number, (image, heat, caption) in enumerate(zip(images, maps, captions, strict=True)):
        plain, covered = axes.flat[2 * number], axes.flat[2 * number + 1]
        plain.imshow(image, cmap="gray", vmin=0, vmax=1)
        plain.set_title(caption, fontsize=7)
        covered.imshow(image, cmap="gray", vmin=0, vmax=1)
        extent = (-0.5, size - 0.5, size - 0.5, -0.5)
        covered.imshow(heat, cmap="inferno", alpha=0.45, vmin=0, vmax=1, extent=extent, interpolation="bilinear")
    figure.savefig(path, dpi=100, metadata={"Software": None})  # no version text: the same run, the same bytes
    pyplot.close(figure)


def write(saved_model: Path, columns: dict[str, np.ndarray], scores: np.ndarray, threshold: float, path: Path) -> int:
    """The sheet of a test split; how many cases it shows (0: the model has no heat map, and there is no sheet)."""
    cases = chosen(columns["labels"], scores, threshold)
    rows = np.array([row for row, _ in cases])
    images = columns["images"][rows]
    maps = heat_maps(saved_model, images[..., None])
    if maps is None:
        return 0
    captions = [f"{FINDINGS[int(columns['labels'][row])]}, {kind} {scores[row]:.2f}" for row, kind in cases]
    draw(images, maps, captions, path)
    return len(cases)
