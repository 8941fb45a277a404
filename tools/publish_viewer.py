"""Publish the viewer of a live stack: `make publish-viewer-STACK`, with its backend and credentials around it.

It can be run again at any time: only what differs is put. A stack without a viewer is left alone, which is no fault.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import boto3

from tools.drills import connection
from tools.validate import outputs
from viewer import configuration
from viewer.publish import NotPublishableError, objects, publish, released_assets, sign_in_of
from viewer.release import ReleaseError

CACHE = Path(__file__).resolve().parents[1] / ".cache"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when the bucket has every file as it should be, or the stack has no viewer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack")
    parser.add_argument("--outputs", type=argparse.FileType(), help="JSON of the stack's outputs; - for standard input")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the viewer's release")
    given = parser.parse_args(arguments)
    try:
        told = json.load(given.outputs) if given.outputs else outputs(given.stack)
    except subprocess.CalledProcessError:
        sys.stderr.write("publish: the stack's outputs cannot be read: log in to its backend first\n")
        return 1
    if not told.get("viewer_bucket"):
        sys.stdout.write(f"{given.stack} has no viewer (containers.frameProxy names no image): nothing to publish\n")
        return 0
    try:
        s3 = boto3.client("s3", **connection(told, "s3"))
        sign_in = sign_in_of(told, s3.meta.region_name)
        wanted = objects(released_assets(given.cache), configuration.text(told["viewer_url"], sign_in))
    except (NotPublishableError, ReleaseError) as error:
        sys.stderr.write(f"publish: {error}\n")
        return 1
    written = publish(s3, told["viewer_bucket"], wanted)
    sys.stdout.write(f"{len(wanted)} files, {len(written)} of them put; {told['viewer_url']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
