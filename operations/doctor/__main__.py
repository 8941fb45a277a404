"""`python -m operations.doctor`: what is wrong with this machine or stack, and what to do.

Without options: the machine, and the local stack if there is one. With --stack: that stack, by the AWS credentials of
the environment. With --outside: as a stranger sees it. Ends with 1 when anything is a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any, Callable, List  # noqa: UP035

from operations.doctor import machine
from operations.doctor.finding import FAULT, SKIPPED, Finding, examine, exit_code, text


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m operations.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", help="a stack on AWS instead of this machine and its local stack")
    parser.add_argument("--outside", action="store_true", help="with --stack: TLS, AE titles, nothing public")
    parser.add_argument("--json", action="store_true", dest="as_json", help="findings as JSON")
    given = parser.parse_args()
    if given.outside and not given.stack:
        parser.error("--outside looks at a live stack: add --stack prod")
    findings = look(given.stack, outside=given.outside)
    sys.stdout.write(
        json.dumps([one._asdict() for one in findings], indent=1) + "\n" if given.as_json else text(findings)
    )
    return exit_code(findings)


def look(stack: str | None, *, outside: bool = False) -> List[Finding]:  # noqa: UP006
    """The findings. What needs an installed library is left out, and said so, until `make setup` has run."""
    stack = None if stack == "local" else stack  # with its own credentials, and its machine
    found = [] if stack else examine(machine.CHECKS)
    try:
        from botocore.exceptions import BotoCoreError, ClientError

        from operations.doctor import stack as inside
    except ImportError:
        return [*found, Finding("stack", SKIPPED, "looked at once the libraries are here", "make setup")]
    unanswered = (OSError, BotoCoreError, ClientError)
    if stack is None:
        run = inside.run_folder()
        local = examine(inside.local_checks(run), unanswered)
        if local[0].state != "ok":
            return [*found, *local]
        os.environ.update(json.loads((run / "aws" / "ready.json").read_text()))
        return [*found, *local, *examine(inside.checks(_clients(), "local"), unanswered)]
    if outside:
        try:
            return examine(_outside(stack), unanswered)
        except (OSError, subprocess.CalledProcessError):  # its own errors stand above
            remedy = "log in to the stack's backend with the pulumi CLI on PATH (docs/DEPLOYMENT.md)"
            return [Finding("stack outputs", FAULT, f"the outputs of {stack} cannot be read", remedy)]
    return examine(inside.checks(_clients(), stack), unanswered)


def _clients() -> Callable[[str], Any]:
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2})
    return lambda service: boto3.client(service, config=patience)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _outside(stack: str) -> Any:
    from operations.doctor import outside
    from tools.validate import outputs

    return outside.checks(_clients(), outputs(stack), machine.ROOT / f"Pulumi.{stack}.yaml")


if __name__ == "__main__":
    sys.exit(main())
