"""The mesh: other people's clients send to this receiver, with and without TLS, compressed and not.

dcmtk's storescu and dcmsend and Orthanc come from Debian (`apt install dcmtk orthanc`); a test whose program is not
installed is skipped and says so. Orthanc speaks as itself: instances are put into it over its REST API and sent on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from pydicom import dcmread
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from services.store_scp.receiver import SUCCESS

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
    "HTJ2K": HTJ2KLossless,
}
COMPRESSED = {"RLE", "JPEG 2000", "HTJ2K"}
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


def needs(*programs: str) -> Any:
    """Skip without the programs, with a reason that says what to install."""
    missing = [program for program in programs if shutil.which(program) is None]
    package = {"Orthanc": "orthanc"}.get(programs[-1], "dcmtk")
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed: apt install {package}")


def write(tools: Any, folder: Path, kind: str, count: int = 2) -> list[Path]:
    """Files of a transfer syntax, with pixel data that decodes."""
    folder.mkdir(exist_ok=True)
    paths = []
    for index in range(count):
        image = tools.instance(64)
        if kind in COMPRESSED:
            image.PixelData = numpy.arange(64 * 64, dtype="<i2").tobytes()
            if kind == "RLE":
                image.compress(RLELossless, generate_instance_uid=False)
            else:
                encapsulate(image, SYNTAXES[kind])
        else:
            image.file_meta.TransferSyntaxUID = SYNTAXES[kind]
        paths.append(folder / f"{index}.dcm")
        image.save_as(
            paths[-1],
            enforce_file_format=True,
            implicit_vr=kind == "implicit",
            little_endian=kind != "big endian",
        )
    return paths


def encapsulate(image: Any, syntax: Any) -> None:
    """Compress by imagecodecs, which dcmtk then passes on as it is."""
    import imagecodecs
    from pydicom.encaps import encapsulate as in_fragments

    pixels = numpy.frombuffer(image.PixelData, dtype="<i2").reshape(64, 64)
    encode = imagecodecs.htj2k_encode if syntax == HTJ2KLossless else imagecodecs.jpeg2k_encode
    options: dict[str, Any] = (
        {"reversible": True} if syntax == HTJ2KLossless else {"codecformat": "j2k", "reversible": True}
    )
    image.PixelData = in_fragments([bytes(encode(pixels, **options))])
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    image.file_meta.TransferSyntaxUID = syntax


def kept_pixels(root: Path) -> dict[str, tuple[str, str]]:
    """SOP Instance UID -> transfer syntax and digest of the pixel data of what is in the store."""
    return {item[0]: item[1:] for item in map(described, (root / "upload").rglob("*.dcm"))}  # type: ignore[misc]


def described(path: Path) -> tuple[str, str, str]:
    """SOP Instance UID, transfer syntax, digest of the pixel data element as it is encoded."""
    image = dcmread(path, force=True)
    image.is_little_endian  # noqa: B018  (read it all before the file is gone)
    digest = hashlib.sha256(bytes(image.PixelData)).hexdigest()
    return str(image.SOPInstanceUID), str(image.file_meta.TransferSyntaxUID), digest


@dataclass(frozen=True)
class Mesh:
    """A receiver over a folder with a plain port and one by mutual TLS, and what clients need to reach it."""

    running: Any
    root: Path
    tools: Any
    authority: Any
    folder: Path

    def files(self, kind: str, count: int = 2) -> list[Path]:
        """Files to send."""
        return write(self.tools, self.folder / f"files-{kind}", kind, count)

    def port(self, secured: bool) -> str:
        """The plain port, or the one by TLS."""
        return str(self.running.ports[int(secured)])


@pytest.fixture
def mesh(settings: dict[str, Any], tls_settings: dict[str, Any], start: Any, tools: Any, request: Any) -> Mesh:
    """A receiver with both ports."""
    settings["listeners"].append({"port": 0, "tls": tls_settings})
    root = Path(settings["store"]["folder"]["path"])
    return Mesh(start(), root, tools, request.getfixturevalue("authority"), root.parent)


def run(command: list[str], **variables: str) -> str:
    """A client's output; it must end well."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**ENVIRONMENT, **variables}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dcmtk_tls(authority: Any) -> list[str]:
    """Options of dcmtk's clients for mutual TLS."""
    certificate, key = authority.issue("dcmtk")
    return ["+tls", str(key), str(certificate), "+cf", str(authority.path)]


STORESCU = {
    "explicit": "-xe",
    "implicit": "-xi",
    "big endian": "-xb",
    "deflated": "-xd",
    "RLE": "-xr",
    "JPEG 2000": "-xv",
}
"""What storescu must be told to propose."""
TITLES = ["-aet", "SCU", "-aec", "IMAGING", "127.0.0.1"]


@needs("storescu")
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("kind", sorted(STORESCU))
def test_dcmtk_storescu(kind: str, secured: bool, mesh: Mesh) -> None:
    files = mesh.files(kind)
    options = dcmtk_tls(mesh.authority) if secured else []
    run(["storescu", *options, STORESCU[kind], *TITLES, mesh.port(secured), *map(str, files)])
    assert kept_pixels(mesh.root) == {item[0]: item[1:] for item in map(described, files)}


@needs("dcmsend")
@pytest.mark.parametrize("kind", ["explicit", "RLE", "JPEG 2000"])
def test_dcmtk_dcmsend(kind: str, mesh: Mesh) -> None:
    files = mesh.files(kind, count=3)
    run(["dcmsend", "--decompress-never", *TITLES, mesh.port(secured=False), *map(str, files)])
    assert kept_pixels(mesh.root) == {item[0]: item[1:] for item in map(described, files)}


@needs("echoscu")
def test_dcmtk_echoscu_over_tls(mesh: Mesh) -> None:
    run(["echoscu", *dcmtk_tls(mesh.authority), *TITLES, mesh.port(secured=True)])
    assert mesh.running.row.get("echoes_total") == 1


@needs("storescu")
def test_dcmtk_without_a_certificate_is_turned_away(mesh: Mesh) -> None:
    (file,) = mesh.files("explicit", count=1)
    command = ["storescu", "+tla", "-ic", *TITLES, mesh.port(secured=True), str(file)]
    done = subprocess.run(command, capture_output=True, timeout=60, env=ENVIRONMENT, check=False)
    assert done.returncode != 0
    assert not list(mesh.root.rglob("*.dcm"))


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("kind", sorted(SYNTAXES))
def test_pynetdicom(kind: str, secured: bool, mesh: Mesh) -> None:
    options = {}
    if secured:
        context = ssl.create_default_context(cafile=str(mesh.authority.path))
        context.load_cert_chain(*mesh.authority.issue("pynetdicom"))
        options = {"tls_args": (context, "localhost")}
    files = mesh.files(kind)
    association = mesh.tools.associate(int(mesh.port(secured)), (CTImageStorage, [SYNTAXES[kind]]), **options)
    assert [association.send_c_store(str(path)).Status for path in files] == [SUCCESS] * len(files)
    association.release()
    assert kept_pixels(mesh.root) == {item[0]: item[1:] for item in map(described, files)}


# Orthanc --------------------------------------------------------------------------------------------------------------
def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rest(port: int, path: str, body: bytes | None = None) -> Any:
    """One call of Orthanc's REST API."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


@pytest.fixture
def orthanc(mesh: Mesh) -> Iterator[int]:
    """Orthanc with this receiver as two modalities; its REST port."""
    certificate, key = mesh.authority.issue("orthanc")
    port, folder = free_port(), mesh.folder / "orthanc"
    folder.mkdir()
    modality = {"AET": "IMAGING", "Host": "127.0.0.1"}
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": port,
        "DicomPort": free_port(),
        "DicomAet": "SCU",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomTlsCertificate": str(certificate),
        "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": str(mesh.authority.path),
        "DicomModalities": {
            "plain": {**modality, "Port": int(mesh.port(secured=False))},
            "secured": {**modality, "Port": int(mesh.port(secured=True)), "UseDicomTls": True},
        },
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        for _ in range(300):
            try:
                rest(port, "/system")
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@needs("Orthanc")
def test_orthanc_sends_plain_and_over_tls_and_compressed(orthanc: int, mesh: Mesh) -> None:
    expected: dict[str, tuple[str, ...]] = {}
    for kind, modality in (("explicit", "plain"), ("implicit", "secured"), ("RLE", "plain"), ("JPEG 2000", "secured")):
        for file in mesh.files(kind):
            made = rest(orthanc, "/instances", file.read_bytes())["ID"]
            answer = rest(orthanc, f"/modalities/{modality}/store", made.encode())
            assert answer["FailedInstancesCount"] == 0
            uid, syntax, digest = described(file)
            expected[uid] = (syntax, digest)
    rest(orthanc, "/modalities/secured/echo", b"{}")
    assert kept_pixels(mesh.root) == expected
