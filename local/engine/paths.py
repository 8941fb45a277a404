"""Where a checkout keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("IMAGING_CACHE_DIR", ROOT / ".cache"))  # survives `make down`: binaries, wheels, plugins
RUN = Path(os.environ.get("IMAGING_RUN_DIR", ROOT / ".run"))  # one run of the local stack: `make down` removes it
VENVS = ROOT / ".venvs"

PROJECT_PYTHON = ROOT / ".venv" / "bin" / "python"
AWS_PYTHON = VENVS / "aws" / "bin" / "python"
LAMBDA_PYTHON = VENVS / "lambda" / "bin" / "python"
TRAIN_PYTHON = VENVS / "train" / "bin" / "python"
CHECK_PYTHON = VENVS / "check" / "bin" / "python"
