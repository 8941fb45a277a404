"""Look at a live stack from outside: `make validate-STACK`, with the stack's backend and credentials around it.

It reads and changes nothing: the API speaks TLS 1.2 or newer and refuses a caller without a token, the alarms exist and
are armed, none sounds. The canary image is a command of its own (`python -m operations canary`): it writes and deletes.
"""

from __future__ import annotations

import argparse
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import boto3
import httpx

from tools.drills import connection

ROOT = Path(__file__).resolve().parents[1]
_BATCH = 100
SOUNDS = "sounds"


def api_faults(url: str, client: httpx.Client) -> list[str]:
    """What is wrong with the API as a stranger sees it."""
    if not url.startswith("https://"):
        return ["the API's address is not https"]
    code = client.get(f"{url.rstrip('/')}/studies").status_code
    return [] if code in (401, 403) else [f"the API answers {code} to a caller without a token"]


def alarm_faults(wanted: Sequence[str], found: Sequence[dict[str, Any]]) -> list[str]:
    """Alarms that are missing, disarmed or sounding; `found` as DescribeAlarms answers."""
    by_name = {str(alarm["AlarmName"]): alarm for alarm in found}
    faults = [f"alarm {name} does not exist" for name in wanted if name not in by_name]
    for name in (name for name in wanted if name in by_name):
        alarm = by_name[name]
        if not alarm.get("ActionsEnabled") or not alarm.get("AlarmActions"):
            faults.append(f"alarm {name} tells nobody")
        if alarm.get("StateValue") == "ALARM":
            faults.append(f"alarm {name} {SOUNDS}")
    return faults


def settled(look: Callable[[], list[str]], seconds: float, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """The faults, looked at again for so long while nothing is wrong but that an alarm sounds.

    Where silence is an alarm (audit-lag), a stack made a moment ago sounds until its first health check.
    """
    until = time.monotonic() + seconds
    faults = look()
    while faults and all(fault.endswith(SOUNDS) for fault in faults) and time.monotonic() < until:
        sys.stderr.write(f"{', '.join(faults)}: looking again for {until - time.monotonic():.0f} s more\n")
        sleep(min(30.0, seconds))
        faults = look()
    return faults


def outputs(stack: str) -> dict[str, Any]:
    """The stack's outputs, secret ones left masked."""
    command = ["pulumi", "stack", "output", "--json", "--stack", stack, "--non-interactive"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return cast("dict[str, Any]", json.loads(done.stdout))


def _described(watch: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(names), _BATCH):
        found += watch.describe_alarms(AlarmNames=names[start : start + _BATCH])["MetricAlarms"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack")
    parser.add_argument("--outputs", type=argparse.FileType(), help="JSON of the stack's outputs; - for standard input")
    parser.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="time for sounding alarms to fall silent: a new stack's",
    )
    given = parser.parse_args()
    try:
        told = json.load(given.outputs) if given.outputs else outputs(given.stack)
    except subprocess.CalledProcessError:
        sys.stderr.write(
            "validate: the stack's outputs cannot be read: log in to its backend first (its errors are above)\n"
        )
        return 1
    context = ssl.create_default_context(cafile=told.get("client_environment", {}).get("AWS_CA_BUNDLE"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    watch = boto3.client("cloudwatch", **connection(told, "cloudwatch"))
    names = [str(name) for name in told["alarms"]]
    with httpx.Client(verify=context, timeout=30) as client:
        faults = settled(
            lambda: [*api_faults(str(told["api_url"]), client), *alarm_faults(names, _described(watch, names))],
            given.wait,
        )
    for fault in faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{len(names)} alarms and the API were looked at: {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
