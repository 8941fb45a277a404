"""The definition, built by a process of its own while the program that needs it goes on.

    building = start(config)            # returns at once
    definition = await finished(building)
    python -m training.definition_process '{"pipeline_name": "...", ...}'   # the same for people

The SageMaker SDK takes seconds to import and wants another process environment and quieter logging. Here it has all
three to itself: a Pulumi program registers its other resources meanwhile, and none of its own settings changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from training.definition import build
from training.pipeline_config import PipelineConfig, PipelineConfigError

_AS_JSON = TypeAdapter(PipelineConfig)
_REFUSED = 3
"""Exit code of a configuration that `build` refuses; the reason is on stderr."""


def start(config: PipelineConfig) -> subprocess.Popen[str]:
    """Start building; the process ends by itself, read it with `finished`."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, _AS_JSON.dump_json(config).decode()],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def finished(building: subprocess.Popen[str]) -> dict[str, Any]:
    """The definition, as `training.definition.build` gives it.

    Raises:
        PipelineConfigError: as `build`.
        RuntimeError: the process ended otherwise, with the end of what it said.
    """
    definition, said = await asyncio.to_thread(building.communicate)
    if building.returncode == _REFUSED:
        raise PipelineConfigError(said.strip())
    if building.returncode:
        raise RuntimeError(f"the pipeline definition could not be built:\n{said[-4000:]}")
    return json.loads(definition)


def main(arguments: Sequence[str]) -> int:
    """Print the definition of the configuration that the one argument holds as JSON."""
    answer = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # whatever the SDK prints is not the definition
        try:
            definition = build(_AS_JSON.validate_json(arguments[0]))
        except PipelineConfigError as error:
            print(error, file=sys.stderr)
            return _REFUSED
    json.dump(definition, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
