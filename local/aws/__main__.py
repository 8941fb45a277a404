"""`python -m local.aws --dir DIR --port PORT --lambda-python P --train-python P`: the embedded AWS, until SIGTERM.

DIR/ready.json appears when it serves: the environment map that clients and the Pulumi engine need.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from local.aws.launcher import run
from local.aws.settings import Settings, StartError


def main() -> int:
    """Parse the options and serve; 1 and a sentence on stderr if that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m local.aws", description="The embedded AWS of the local stack.")
    parser.add_argument("--dir", type=Path, required=True, help="folder of the state, made if missing")
    parser.add_argument("--port", type=int, default=4600, help="loopback port; a folder keeps its port for ever")
    parser.add_argument("--lambda-python", type=Path, required=True, help="interpreter of Python functions")
    parser.add_argument("--train-python", type=Path, required=True, help="interpreter of SageMaker containers")
    parser.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    options = parser.parse_args()
    configure_logging(options.log_level)
    try:
        run(
            Settings(
                folder=options.dir.absolute(),
                port=options.port,
                lambda_python=options.lambda_python.absolute(),
                train_python=options.train_python.absolute(),
                log_level=options.log_level,
            )
        )
    except StartError as refused:
        print(f"local.aws: {refused}", file=sys.stderr)
        return 1
    return 0


def configure_logging(level: str) -> None:
    """Log this project's own lines at `level`; libraries only warn, and S3 never names an object.

    At DEBUG, ministack would log object keys and function output, botocore whole requests.
    """
    quiet = "ERROR" if level == "ERROR" else "WARNING"
    logging.basicConfig(level=quiet, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("local").setLevel(level)
    logging.getLogger("s3").addFilter(_without_values)


def _without_values(record: logging.LogRecord) -> bool:
    record.args, record.exc_info = None, None
    return True


if __name__ == "__main__":
    sys.exit(main())
