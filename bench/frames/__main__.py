"""Frames and metadata: the frame proxy against nginx static and Orthanc, in one run on one machine.

    python -m bench.frames [--slices 400] [--seconds 2] [--rounds 3] [--json FILE]

The same slices of a synthetic CT series everywhere: HTJ2K in the proxy and in nginx. Orthanc 1.10 answers no frame of
HTJ2K, so it has them as JPEG 2000 lossless, about as many bytes, and passes them through. The proxy checks a token, the
assignments, the audit and its cache for every request; nginx sends a file, Orthanc what it stored; each is one server
process, plain HTTP on loopback, asked by `wrk` (one thread) in turns. Needs nginx, wrk, Orthanc and its DICOMweb plugin
(Debian: nginx wrk orthanc orthanc-dicomweb); `--tools DIR` takes them from an unpacked root instead of PATH. Absolute
numbers are the machine's; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import imagecodecs
import jwt
import numpy as np
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLosslessRPCL, JPEG2000Lossless, generate_uid
from rich.console import Console
from rich.table import Table

from imaging import htj2k

CONNECTIONS = (1, 8, 32)
STUDY, SERIES = generate_uid(entropy_srcs=["bench-study"]), generate_uid(entropy_srcs=["bench-series"])
ANY = "multipart/related; type=application/octet-stream; transfer-syntax=*"
READER, ISSUER, CLIENT = "bench-reader", "https://issuer.invalid/pool", "bench"
ROOT = Path(__file__).resolve().parents[2]
PLUGINS = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True)
class Tools:
    """Where the peers' programs are."""

    nginx: str
    wrk: str
    orthanc: str
    plugin: str
    environment: dict[str, str]

    @classmethod
    def find(cls, root: Path | None) -> Tools:
        """From PATH, else from an unpacked root. Raises SystemExit naming what is missing."""
        places = [str(root / part) for part in ("usr/bin", "usr/sbin")] if root else []
        path = os.pathsep.join([*places, os.environ["PATH"], "/usr/sbin"])
        found = {name: shutil.which(name, path=path) for name in ("nginx", "wrk", "Orthanc")}
        folders = [root / "usr/share/orthanc/plugins"] if root else []
        plugins = [folder / "libOrthancDicomWeb.so" for folder in [*folders, PLUGINS]]
        plugin = next((one for one in plugins if one.exists()), None)
        missing = [name for name, place in found.items() if not place] + ([] if plugin else ["orthanc-dicomweb"])
        if missing:
            raise SystemExit(f"bench.frames needs {', '.join(missing)} (Debian packages nginx, wrk, orthanc-dicomweb)")
        libraries = str(root / "usr/lib/x86_64-linux-gnu") if root else ""
        return cls(
            nginx=str(found["nginx"]),
            wrk=str(found["wrk"]),
            orthanc=str(found["Orthanc"]),
            plugin=str(plugin),
            environment={**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})},
        )


def slices(count: int) -> Iterator[np.ndarray]:
    """CT slices of 512 x 512 int16 whose noise compresses about 3 : 1."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.where(x**2 + y**2 < 0.8, 40.0, -1000.0) - 700 * (((np.abs(x) - 0.4) ** 2 / 0.06 + y**2 / 0.2) < 1)
    for _ in range(count):
        yield np.rint(body + random.normal(0, 17, body.shape)).astype(np.int16)


def dataset(pixels: np.ndarray, number: int, frame: bytes, syntax: str) -> Dataset:
    """A slice as a CT image, its frame encoded already."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = syntax
    one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid(entropy_srcs=["bench", str(number)])
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.StudyInstanceUID, one.SeriesInstanceUID = STUDY, SERIES
    one.PatientID, one.PatientName, one.PatientSex, one.PatientBirthDate = "BENCH", "Bench^Made", "O", "19700101"
    one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20260102", "101112", "1", "A1"
    one.Modality, one.Manufacturer, one.SeriesNumber, one.InstanceNumber = "CT", "Bench", 1, number + 1
    one.StudyDescription, one.SeriesDescription, one.PatientPosition = "CHEST CT", "Axial 1.0", "HFS"
    one.ImageType, one.FrameOfReferenceUID = ["ORIGINAL", "PRIMARY", "AXIAL"], generate_uid(entropy_srcs=["bench-for"])
    one.ImagePositionPatient = ["-180", "-180", str(number)]
    one.ImageOrientationPatient, one.PixelSpacing = ["1", "0", "0", "0", "1", "0"], ["0.703125", "0.703125"]
    one.SliceThickness, one.SliceLocation, one.KVP = "1.0", str(number), "120"
    one.WindowCenter, one.WindowWidth, one.RescaleIntercept, one.RescaleSlope = "40", "400", "0", "1"
    one.Rows, one.Columns = pixels.shape
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 1
    one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
    one.PixelData = encapsulate([frame])
    one["PixelData"].is_undefined_length = True
    return one


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], ready: Callable[[], bool], **options: Any) -> Iterator[None]:
    """A server process until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        deadline = time.monotonic() + 120
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"bench.frames: {Path(command[0]).name} did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def answers(url: str, **headers: str) -> bool:
    """Whether a URL is answered with success."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, headers=headers, timeout=5).is_success
    return False


@contextlib.contextmanager
def proxy(folder: Path, files: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(base URL, headers) of the frame proxy over the HealthImaging stand-in with the files imported."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "1"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signing.pem").write_bytes(pem)
    (folder / "key").write_text("cd" * 32)
    [token] = tokens_of(folder, 1)
    upstream, port = free_port(), free_port()
    environment = {**os.environ, "PYTHONPATH": _python_path(), "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    config = {
        "region": "us-east-1",
        "datastore_id": "0" * 32,
        "endpoint_url": f"http://127.0.0.1:{upstream}",
        "issuer": ISSUER,
        "client_ids": [CLIENT],
        "jwks_file": str(folder / "jwks.json"),
        "assignments_table": "assignments",
        "pseudonym_key_file": str(folder / "key"),
        "audit_file": str(folder / "audit.jsonl"),
        "port": port,
        "directory_seconds": 1,
        "lame_duck_seconds": 0,
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    store = [sys.executable, "-m", "bench.frames.healthimaging", str(files), str(upstream), READER]
    serve = [sys.executable, "-m", "services.frame_proxy", "--config", str(folder / "config.yaml")]
    base = f"http://127.0.0.1:{port}"
    with (
        running(store, lambda: answers(f"http://127.0.0.1:{upstream}/ready"), cwd=ROOT, env=environment),
        running(serve, lambda: answers(f"{base}/readyz"), cwd=ROOT, env=environment),
    ):
        yield f"{base}/dicom-web", {"Authorization": f"Bearer {token}", "Accept": ANY}


def tokens_of(folder: Path, readers: int) -> list[str]:
    """Access tokens of so many people, signed by the key of the folder."""
    pem = (folder / "signing.pem").read_bytes()
    claims = {"iss": ISSUER, "client_id": CLIENT, "token_use": "access", "exp": time.time() + 7200}
    people = [READER, *(f"{READER}-{number}" for number in range(1, readers))]
    return [
        jwt.encode({**claims, "sub": person, "cognito:groups": ["radiologist"]}, pem, "RS256", {"kid": "1"})
        for person in people
    ]


def _python_path() -> str:
    return os.pathsep.join([str(ROOT), str(ROOT / "lambdas"), str(ROOT / "lambdas/shared/src")])


@contextlib.contextmanager
def nginx(tools: Tools, folder: Path, frame: bytes) -> Iterator[str]:
    """URL of a frame as a static file."""
    port = free_port()
    (folder / "www").mkdir()
    (folder / "www/frame").write_bytes(frame)
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;"
        "events { worker_connections 1024; }"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; "
        f"client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; "
        f"uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; "
        f"server {{ listen 127.0.0.1:{port}; root {folder}/www; }} }}"
    )
    command = [tools.nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]
    url = f"http://127.0.0.1:{port}/frame"
    with running(command, lambda: answers(url), env=tools.environment, stderr=subprocess.DEVNULL):
        yield url


@contextlib.contextmanager
def orthanc(tools: Tools, folder: Path, files: Path) -> Iterator[str]:
    """Base URL of Orthanc's DICOMweb with the files stored."""
    port = free_port()
    config = {
        "Name": "bench",
        "HttpPort": port,
        "DicomPort": free_port(),
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "Plugins": [tools.plugin],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "SeriesMetadata": "Full", "StudiesMetadata": "Full"},
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    base = f"http://127.0.0.1:{port}"
    command = [tools.orthanc, str(folder / "orthanc.json")]
    with running(command, lambda: answers(f"{base}/system"), env=tools.environment, stderr=subprocess.DEVNULL):
        with httpx.Client(base_url=base, timeout=60) as client:
            for file in sorted(files.iterdir()):
                client.post("/instances", content=file.read_bytes()).raise_for_status()
        yield f"{base}/dicom-web"


def requests_per_second(tools: Tools, url: str, headers: dict[str, str], connections: int, seconds: int) -> float:
    """One measurement by wrk. Raises SystemExit when an answer was an error."""
    named = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = [tools.wrk, "-t1", f"-c{connections}", f"-d{seconds}s", *named, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=tools.environment).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"bench.frames: errors while measuring:\n{text}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    return float(found[1]) if found else 0.0


def milliseconds(url: str, headers: dict[str, str], times: int) -> list[float]:
    """Durations of the same GET over one connection, read whole."""
    with httpx.Client(timeout=60) as client:
        found: list[float] = []
        for _ in range(times):
            started = time.perf_counter()
            answer = client.get(url, headers=headers)
            found.append((time.perf_counter() - started) * 1000)
            answer.raise_for_status()
        return found


def main(arguments: list[str] | None = None) -> int:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.frames", description=__doc__)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each cell, in turns; the median counts")
    parser.add_argument("--tools", type=Path, help="unpacked root of the peers' packages")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    tools = Tools.find(options.tools)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="frames-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # a server started by root gives its rights up
        files, peers_files = folder / "htj2k", folder / "jpeg2000"
        files.mkdir()
        peers_files.mkdir()
        console.print(f"making and storing {options.slices} slices ...")
        for number, pixels in enumerate(slices(options.slices)):
            one = dataset(pixels, number, htj2k.encode(pixels), HTJ2KLosslessRPCL)
            one.save_as(files / f"{number:04}.dcm", enforce_file_format=True)
            peers_frame = imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k")
            one = dataset(pixels, number, bytes(peers_frame), JPEG2000Lossless)
            one.save_as(peers_files / f"{number:04}.dcm", enforce_file_format=True)
        base, headers = stack.enter_context(proxy(folder, files))
        series = f"/studies/{STUDY}/series/{SERIES}"
        path = f"{series}/instances/{one.SOPInstanceUID}/frames/1"
        frame = httpx.get(base + path, headers=headers)
        frame.raise_for_status()
        static = stack.enter_context(nginx(tools, folder, frame.content))
        peer = stack.enter_context(orthanc(tools, folder, peers_files))
        figures = _measure(
            tools,
            options,
            {"proxy": (base + path, headers), "nginx": (static, {}), "orthanc": (peer + path, {"Accept": ANY})},
        )
        as_json = {**headers, "Accept": "application/dicom+json"}
        figures["metadata_ms"] = {
            "proxy_first": milliseconds(f"{base}{series}/metadata", as_json, 1)[0],
            "proxy": statistics.median(milliseconds(f"{base}{series}/metadata", as_json, 7)),
            "orthanc": statistics.median(
                milliseconds(f"{peer}{series}/metadata", {"Accept": "application/dicom+json"}, 7)
            ),
        }
        figures["frame_bytes"] = len(frame.content)
    _show(console, figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


def _measure(
    tools: Tools, options: argparse.Namespace, servers: dict[str, tuple[str, dict[str, str]]]
) -> dict[str, Any]:
    sizes: dict[str, int] = {}
    for name, (url, headers) in servers.items():
        answer = httpx.get(url, headers=headers)
        answer.raise_for_status()
        sizes[name] = len(answer.content)
    found: dict[str, Any] = {"bytes": sizes, "requests_per_second": {}}
    for connections in CONNECTIONS:
        cells: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, (url, headers) in servers.items():
                cells[name].append(requests_per_second(tools, url, headers, connections, options.seconds))
        found["requests_per_second"][connections] = {name: statistics.median(row) for name, row in cells.items()}
    return found


def _show(console: Console, figures: dict[str, Any]) -> None:
    table = Table("connections", "proxy/s", "nginx/s", "Orthanc/s", "of nginx", "of Orthanc", title="cached frame")
    for connections, row in figures["requests_per_second"].items():
        cells = [f"{row[name]:.0f}" for name in ("proxy", "nginx", "orthanc")]
        ratios = [f"{row['proxy'] / row['nginx']:.2f}", f"{row['proxy'] / row['orthanc']:.1f}"]
        table.add_row(str(connections), *cells, *ratios)
    console.print(table, figures["bytes"])
    console.print({name: f"{value:.0f} ms" for name, value in figures["metadata_ms"].items()})


if __name__ == "__main__":
    sys.exit(main())
