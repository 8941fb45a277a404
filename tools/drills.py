"""Drills on a running stack: `python -m tools.drills breach|restore|drift`, with the stack's outputs on standard input.

    python -m local outputs | python -m tools.drills breach            the local stack
    pulumi stack output --json | python -m tools.drills restore        a stack on AWS, with its deploy credentials

The outputs of the local stack bring the address and keys of the embedded AWS with them. Each drill prints what it did
as a table, ends with 0 only if everything it expected came true, and leaves nothing behind but locked records.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from tools import breach_drill, drift_drill, restore_drill


@dataclass
class Drill:
    """One run: the stack's outputs, its clients, and what was seen."""

    outputs: dict[str, Any]
    seen: list[tuple[str, str, bool]] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's account, made once."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, **connection(self.outputs, service))
        return self._clients[service]

    def expect(self, what: str, found: str, *, good: bool) -> None:
        """Remembers and shows one expectation."""
        self.seen.append((what, found, good))
        print(f"  {'ok  ' if good else 'FAIL'} {what}: {found}", flush=True)

    @property
    def passed(self) -> bool:
        """True when something was expected and all of it came true."""
        return bool(self.seen) and all(good for *_, good in self.seen)


def connection(outputs: dict[str, Any], service: str) -> dict[str, Any]:
    """Arguments of boto3.client: nothing on AWS, address and keys of the embedded AWS for the local stack."""
    local: dict[str, str] = outputs.get("client_environment", {})
    if not local:
        return {}
    return {
        "endpoint_url": local["AWS_ENDPOINT_URL"],
        "verify": local["AWS_CA_BUNDLE"],
        "region_name": local["AWS_REGION"],
        "aws_access_key_id": local["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": local["AWS_SECRET_ACCESS_KEY"],
        "config": Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4" if service == "s3" else None,
            inject_host_prefix=False,
        ),
    }


DRILLS: dict[str, Callable[[Drill], None]] = {
    "breach": breach_drill.run,
    "drift": drift_drill.run,
    "restore": restore_drill.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("drill", choices=sorted(DRILLS))
    chosen = parser.parse_args().drill
    if sys.stdin.isatty():
        parser.error("the stack's outputs are read from standard input: see --help")
    drill = Drill(json.load(sys.stdin))
    print(f"{chosen} drill")
    DRILLS[chosen](drill)
    print("passed" if drill.passed else "NOT passed")
    return 0 if drill.passed else 1


if __name__ == "__main__":
    sys.exit(main())
