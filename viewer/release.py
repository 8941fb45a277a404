"""OHIF from its npm tarball: fetched by npm from the registry it is set to, taken only if the hash is the pinned one.

Nothing of OHIF is changed. What a deployment never serves is left out (see `LEFT_OUT`), and every text is stored
compressed: CloudFront compresses no object over 10 MB, and OHIF's main bundle has 17. Brotli where Node.js is there to
make it: every browser that OHIF runs in takes it over TLS, and the bundle has 2.7 MB instead of gzip's 3.3.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import mimetypes
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viewer import headers

HERE: Final = Path(__file__).parent
# Weights and runtimes of functions that are switched off: segmentation by a downloaded model, whole-slide microscopy;
# pages that load scripts from other origins; the release's own configurations.
LEFT_OUT: Final = ("ort/", "dicom-microscopy-viewer/", "silent-refresh.html", "google.js", "app-config.js", "_")
TEXTS: Final = frozenset({".css", ".html", ".js", ".json", ".mjs", ".svg", ".wasm", ".xml"})
TYPES: Final = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
_FETCH_SECONDS = 300


class ReleaseError(RuntimeError):
    """The release cannot be had; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file as it is served.

    Attributes:
        path: below the origin's root, without a leading slash.
        file: where its bytes lie, compressed as `encoding` says.
        immutable: the name holds a hash of the content.
    """

    path: str
    file: Path
    media_type: str
    encoding: str
    immutable: bool


def pinned() -> dict[str, Any]:
    """Package, version and integrity (Subresource Integrity form) of the release; its page's inline scripts; what it
    loads after the main bundle until a study is on the screen; the worker and the WebAssembly that decode HTJ2K."""
    return json.loads((HERE / "ohif.json").read_text())


def extension() -> dict[str, Path]:
    """Our own files by the path that they are served under; the one that OHIF asks for comes first."""
    files = sorted((HERE / "extension").iterdir(), key=lambda file: (file.name != "extension.js", file.name))
    return {f"platform/{file.name}": file for file in files}


def fetch(cache: Path) -> Path:
    """The release's `dist` folder, unpacked below the cache once. Raises ReleaseError."""
    pin = pinned()
    folder = cache / f"ohif-{pin['version']}"
    dist = folder / "package" / "dist"
    if not (folder / ".whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        archive = _pack(pin, folder)
        verify(archive, pin["integrity"])
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()
        verify_page(dist / "index.html", pin["inline_scripts"])
        verify_files(dist, [*pin["opening"], *pin["decoder"]])
        (folder / ".whole").write_text(pin["integrity"])
    return dist


def _pack(pin: dict[str, Any], folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ReleaseError("npm is needed once to fetch the viewer: install Node.js")
    command = [npm, "pack", f"{pin['package']}@{pin['version']}", "--silent", "--pack-destination", str(folder)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=_FETCH_SECONDS)
    found = list(folder.glob("*.tgz"))
    if len(found) != 1:
        raise ReleaseError(f"npm could not fetch {pin['package']}: does this machine reach a package registry?")
    return found[0]


def verify(archive: Path, integrity: str) -> None:
    """Raises ReleaseError unless the archive has the pinned hash (W3C Subresource Integrity: algorithm-base64)."""
    algorithm, _, wanted = integrity.partition("-")
    digest = hashlib.new(algorithm, archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != wanted:
        archive.unlink()
        raise ReleaseError("the viewer's archive is not the one that was pinned: it was thrown away")


def verify_page(page: Path, inline_scripts: list[str]) -> None:
    """Raises ReleaseError unless the page's inline scripts are the pinned ones: CloudFront lets those run, no other."""
    found = [one.strip("'") for one in headers.inline_hashes(page.read_text())]
    if found != inline_scripts:
        raise ReleaseError(f"the page has other inline scripts than viewer/ohif.json pins: {', '.join(found)}")


def verify_files(dist: Path, names: list[str]) -> None:
    """Raises ReleaseError unless the release has these files."""
    if missing := [name for name in names if not (dist / name).is_file()]:
        raise ReleaseError(f"the release lacks what viewer/ohif.json names: {', '.join(missing)}")


def assets(dist: Path, compressed: Path, encoding: str = "") -> dict[str, Asset]:
    """Every file that is served, by path; texts are compressed below `compressed` once.

    Args:
        encoding: `br` or `gzip` (RFC 9110 section 8.4.1); "" for the best that this machine can make.
    """
    files = {file.relative_to(dist).as_posix(): file for file in sorted(dist.rglob("*")) if file.is_file()}
    files = {path: file for path, file in files.items() if not path.startswith(LEFT_OUT)}
    files |= extension()
    encoding = encoding or ("br" if shutil.which("node") else "gzip")
    texts = {path: file for path, file in files.items() if file.suffix in TEXTS}
    made = _compressed(texts, compressed, encoding)
    return {
        path: Asset(
            path=path,
            file=made.get(path, file),
            media_type=TYPES.get(file.suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream",
            encoding=encoding if path in made else "",
            immutable=_hashed(file.name),
        )
        for path, file in files.items()
    }


def _compressed(texts: dict[str, Path], folder: Path, encoding: str) -> dict[str, Path]:
    """Where each text lies compressed. Raises ReleaseError."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {path: folder / f"{_name(path, file)}.{encoding}" for path, file in texts.items()}
    missing = [(texts[path], target) for path, target in made.items() if not target.exists()]
    if encoding == "br":
        _brotli(missing)
    else:
        for file, target in missing:
            waiting = target.with_suffix(".part")
            waiting.write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))
            waiting.replace(target)
    return made


def _name(path: str, file: Path) -> str:
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}-{path.replace('/', '_')}"


def _brotli(wanted: list[tuple[Path, Path]]) -> None:
    """By Node.js, all in one process."""
    if not wanted:
        return
    work = json.dumps([(str(file), str(target)) for file, target in wanted])
    command = ["node", str(HERE / "compress.mjs")]
    done = subprocess.run(command, input=work, text=True, capture_output=True, check=False, timeout=_FETCH_SECONDS)
    if done.returncode:
        raise ReleaseError(f"Node.js could not compress the viewer's files: {done.stderr[-500:]}")


def _hashed(name: str) -> bool:
    """Whether the build put the content's hash into the name: app.bundle.0f6159c501addfe9.js, 37fa160cc3a47cfd.wasm."""
    return any(len(part) == 16 and set(part) <= set("0123456789abcdef") for part in name.split("."))
