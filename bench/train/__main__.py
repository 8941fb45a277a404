"""Images a second: the input pipeline alone, and our training beside a plain Keras loop, round robin in one run.

    .venvs/train/bin/python -m bench.train                                             small_cnn at 64 pixels
    .venvs/train/bin/python -m bench.train --backbone resnet50 --image-size 224 --batch-size 4 --images 96

All three train the same network on the same images with the same batch size, class weights and validation. `plain
Keras` is model.fit over arrays in memory and nothing else; `ours` adds shards from disk, checkpoint, metric line and
early stopping every epoch; the last adds the standard augmentation too, which on a CPU takes its share of the cores.
An epoch counts from the end of the one before, so tracing and the first fill of the cache are left out. The goal is
judged by the clock on the wall; where epochs of one way spread, read the CPU's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from training import names
from training.batches import MIN_STEPS, passes_per_epoch

GOAL = 0.05
VALIDATION_SHARE = 8


def main() -> int:
    """The command line; exit code 1 when the overhead's goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", choices=names.BACKBONES, default="small_cnn")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=1536, help="of the training split (default 1536)")
    parser.add_argument("--epochs", type=int, default=4, help="that count, a round (default 4; one more warms up)")
    parser.add_argument("--rounds", type=int, default=3, help="of every way, round robin (default 3)")
    parser.add_argument("--precision", choices=names.PRECISIONS, default="auto", help="arithmetic of all three ways")
    parser.add_argument("--json", action="store_true", help="figures as JSON instead of a table")
    options = parser.parse_args()
    if passes_per_epoch(options.images, options.batch_size) > 1:
        parser.error(
            f"--images {options.images} is under {MIN_STEPS} batches of {options.batch_size}: our epoch passes over "
            "so small a split several times, the plain loop once"
        )
    from bench.train.loops import measure, table, write_split  # TensorFlow: not for --help

    with tempfile.TemporaryDirectory(prefix="bench-train-") as scratch:
        folder = Path(scratch)
        sides = {
            "train": write_split(folder / "train", "train", options.images, options.image_size),
            "validation": write_split(
                folder / "validation", "validation", options.images // VALIDATION_SHARE, options.image_size
            ),
        }
        found = measure(options, sides, folder)
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if options.json else table(found))
    return 0 if found["overhead"]["ours"] < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
