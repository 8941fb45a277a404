"""Runs a Pulumi program for the language host: connects the SDK to the engine, then runs the folder's `__main__.py`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path

import pulumi
import pulumi.runtime

_ALREADY_SHOWN = 32


def _program_trace(error: BaseException) -> str:
    """The traceback from the program's own first line on: the runner's frames say nothing to its author."""
    frames = traceback.extract_tb(error.__traceback__)
    own = Path(__file__).resolve()
    first = next(
        (i for i, f in enumerate(frames) if Path(f.filename).name == "__main__.py" and Path(f.filename) != own), 0
    )
    return "".join(traceback.format_list(frames[first:])) + "".join(traceback.format_exception_only(error))


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def main() -> int:
    program = sys.argv[1]
    settings = json.loads(os.environ.pop("IMAGING_PROGRAM_SETTINGS"))
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(pulumi.runtime.Settings(**settings))
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a failed program leaves futures behind: expected
    sys.path[:] = [p for p in sys.path if p not in ("", program)]
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))  # the engine gave up: it has said why
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(program)))
    except pulumi.RunError as error:  # the program's own sentence for its user
        pulumi.log.error(str(error))
        return _ALREADY_SHOWN
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_program_trace(error)}")
        return _ALREADY_SHOWN
    finally:
        loop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
