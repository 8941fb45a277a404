"""The classifiers: (S, S, 1) float32 0..1 in, probability of pneumonia out; the backbone is configuration.

Scaling to what a backbone was trained on is part of the graph, so that serving sends the same 0..1 pixels to all.
"""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.failure import TrainingError
from training.names import BACKBONES

if TYPE_CHECKING:
    import keras

INPUT_NAME = "image"
OUTPUT_NAME = "probability"
# Channel means of ImageNet in the order blue, green, red, which the ResNet-50 weights expect (He et al. 2015).
_RESNET_MEANS = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class Classifier:
    """A built model.

    Attributes:
        model: the whole graph.
        base: the pretrained part that is frozen first, None where everything is trained from the start.
    """

    model: keras.Model
    base: keras.Model | None


def build(
    backbone: str, image_size: int, weights: Path | None = None, kind: type[keras.Model] | None = None
) -> Classifier:
    """Build a classifier.

    Args:
        backbone: one of training.names.BACKBONES.
        image_size: edge of the input, pixels.
        weights: a Keras "notop" weights file for the backbone; None = random weights, everything trained.
        kind: class of the model where it is not Keras' own.

    Raises:
        TrainingError: an unknown backbone, or weights for a backbone that has none.
    """
    import keras

    if backbone not in BACKBONES:
        raise TrainingError(f"the backbone {backbone!r} is unknown; known are {', '.join(BACKBONES)}")
    image = keras.Input((image_size, image_size, 1), name=INPUT_NAME)  # (B, S, S, 1)
    if backbone == "small_cnn":
        if weights is not None:
            raise TrainingError("small_cnn is trained from random weights: take the weights channel away")
        features, base = _small_cnn(image), None
    else:
        features, base = _pretrained(backbone, image, weights)
    probability = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name=OUTPUT_NAME)(features)  # (B, 1)
    return Classifier((kind or keras.Model)(image, probability, name=backbone), base)


def _pretrained(backbone: str, image: Any, weights: Path | None) -> tuple[Any, Any]:
    """ResNet-50 or MobileNetV3-Small on three equal channels, and the part to freeze."""
    import keras

    shape = (image.shape[1], image.shape[2], 3)
    channels = keras.layers.Concatenate(name="three_channels")([image, image, image])  # (B, S, S, 3)
    source = None if weights is None else str(weights)
    if backbone == "resnet50":
        scaled = keras.layers.Rescaling(255.0, offset=[-mean for mean in _RESNET_MEANS], name="imagenet_scale")(
            channels
        )
        base = keras.applications.ResNet50(include_top=False, weights=source, input_shape=shape, pooling="avg")
    else:
        scaled = keras.layers.Rescaling(255.0, name="byte_scale")(channels)
        base = keras.applications.MobileNetV3Small(include_top=False, weights=source, input_shape=shape, pooling="avg")
    # Pretrained batch statistics stay as they are, also while fine-tuning: a batch of 32 CT slices would spoil them.
    features = base(scaled, training=False) if weights is not None else base(scaled)
    return keras.layers.Dropout(0.3, name="head_dropout")(features), base if weights is not None else None


def _small_cnn(image: Any) -> Any:
    """Three convolutions for small images and few patients: seconds on a CPU, no claim to clinical worth."""
    import keras

    features = image
    for index, (filters, kernel, stride) in enumerate(((16, 5, 2), (32, 3, 1), (48, 3, 1))):
        if index == 2:
            features = keras.layers.AveragePooling2D(2, name="pool")(features)
        convolution = keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"convolution_{index}",
        )
        features = convolution(features)
        features = keras.layers.BatchNormalization(momentum=0.9, name=f"normalisation_{index}")(features)
        features = keras.layers.ReLU(name=f"activation_{index}")(features)
    mean = keras.layers.GlobalAveragePooling2D(name="mean_pool")(features)
    peak = keras.layers.GlobalMaxPooling2D(name="peak_pool")(features)  # a small consolidation must not average away
    pooled = keras.layers.Concatenate(name="pooled")([mean, peak])  # (B, 96)
    return keras.layers.Dropout(0.2, name="head_dropout")(pooled)
