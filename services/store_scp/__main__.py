"""`python -m services.store_scp --config FILE`: the DICOM receiver.

Exit codes: 0 ended as told, 2 the configuration is refused, 3 it could not start.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from services.store_scp import insecure, logs
from services.store_scp.configuration import ConfigurationError, load
from services.store_scp.stores import StoreError
from services.store_scp.supervisor import StartError, Supervisor
from services.store_scp.worker import store_of

REFUSED, NOT_STARTED = 2, 3
EXAMPLE = """\
a small configuration:
  ae_title: IMAGING
  listeners:
    - address: 0.0.0.0
      port: 11113
      tls: {certificate: "file:server.pem", key: "file:server.key", client_ca: "file:scanners-ca.pem"}
  peers:
    - {name: ct-1, ae_title: CT1, addresses: [10.1.2.0/24], rights: [store, echo, commit]}
  store: {folder: {path: /srv/dicom}}
  naming: {key: "file:naming.key"}        # openssl rand -hex 32 > naming.key

docs/DICOM_CONFORMANCE.md describes every key and what the receiver does on the wire.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.store_scp",
        description="Receives DICOM instances (C-STORE over TLS) into S3 or a folder; success means durable.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML file, or env:NAME of a variable with it")
    parser.add_argument("--check-config", action="store_true", help="judge the configuration and the store, then end")
    options = parser.parse_args(arguments)
    try:
        configuration = load(options.config)
        insecure.refuse(configuration)
    except ConfigurationError as error:
        sys.stderr.write(f"The configuration is refused:\n{_indented(str(error))}\n")
        return REFUSED
    logs.configure()
    try:
        store_of(configuration).check()
        if options.check_config:
            sys.stdout.write("The configuration is safe to start with, and the store answers.\n")
            return 0
        return Supervisor(configuration, announce=_say).run()
    except (StoreError, StartError, OSError) as error:
        sys.stderr.write(f"The receiver cannot start: {error}\n")
        return NOT_STARTED


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
