"""TLS material of the embedded AWS: a throw-away CA that stays the same while its folder lives."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.aws.settings import REGION

NAMES = (
    "127.0.0.1",
    "localhost",
    "*.localhost",
    f"cognito-idp.{REGION}.amazonaws.com",
    f"*.s3.{REGION}.amazonaws.com",
)


@dataclass(frozen=True)
class Material:
    """PEM files: `bundle` is what clients trust, the other two are the server's own."""

    bundle: Path
    certificate: Path
    key: Path


def material(folder: Path) -> Material:
    """Return the folder's TLS files, made on the first start.

    The CA's key is never written: whoever reads the folder cannot issue further certificates. A restart
    therefore reuses the server certificate together with its CA, and clients keep their bundle.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = Material(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if all(path.is_file() for path in (found.bundle, found.certificate, found.key)):
        return found
    import trustme

    authority = trustme.CA(organization_name="embedded AWS of healthcare-imaging-mlops")
    leaf = authority.issue_cert(*NAMES)
    found.key.touch(mode=0o600)
    leaf.private_key_pem.write_to_path(found.key)
    for position, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(found.certificate, append=position > 0)
    authority.cert_pem.write_to_path(found.bundle)  # last: its presence says that the set is whole
    return found
