"""Milliseconds an answer: SavedModel, ONNX Runtime and the endpoint over the same artifact, round robin in one run.

    .venvs/train/bin/python -m bench.inference                                   ResNet-50 at 224 pixels, random weights
    .venvs/train/bin/python -m bench.inference --backbone small_cnn --image-size 96
    .venvs/train/bin/python -m bench.inference --model DIR                       an artifact that training wrote

`endpoint` is the model server process of the local stack (no stack is needed) with the artifact's own handler, asked
over one kept connection; `handler` is the same code called in this process, without HTTP. All ways must answer alike,
or there are no figures. NPY (application/x-npy) and JSON send the model's own input as float32, NPY-16 as float16 and
JSON-5 with five digits a number; DICOM is one CT slice of 512 x 512 that the handler decodes and prepares first. Two
overheads: over the bare SavedModel, to which the pixels are given as it wants them, and over `prepare + model`, which
for DICOM decodes and prepares the slice too (for the others there is nothing to prepare). The exit code goes by the
second one, and leaves out what no endpoint takes: SageMaker's limit of a request is 25 MB, and 32 pictures of 224 x 224
as JSON text are more, unless a number has five digits.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from training import names

GOAL = 0.20
REQUESTS = ["NPY", "NPY-16", "JSON", "JSON-5", "DICOM"]
LIMIT_BYTES = 25_000_000
"""Of a request to a real-time endpoint: https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html"""


def main() -> int:
    """The command line; exit code 1 when the overhead's goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.inference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="artifact to ask instead of a new one with random weights")
    parser.add_argument("--backbone", choices=names.BACKBONES, default="resnet50")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images a request (default 1 32)")
    parser.add_argument(
        "--requests", choices=REQUESTS, nargs="+", default=REQUESTS, help="forms of a request (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="answers that count, of every way (default 5)")
    parser.add_argument("--json", action="store_true", help="figures as JSON instead of a table")
    options = parser.parse_args()
    from bench.inference.ways import artifact, measure, table  # TensorFlow: not for --help

    with tempfile.TemporaryDirectory(prefix="bench-inference-") as scratch:
        model = options.model or artifact(options.backbone, options.image_size, Path(scratch) / "model")
        found = measure(model, options.batches, options.rounds, Path(scratch), options.requests)
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if options.json else table(found))
    sent = [row for row in found["requests"] if row["bytes"] <= LIMIT_BYTES]
    return 0 if all(row["overhead"]["over prepare + model"] < GOAL for row in sent) else 1


if __name__ == "__main__":
    sys.exit(main())
