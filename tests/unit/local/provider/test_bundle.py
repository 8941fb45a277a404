"""Code archives are the same bytes for the same content."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from local.provider.bundle import asset_bytes, zip_bytes
from local.provider.wire import Archive, Asset


def names(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_folder_zips_reproducibly_and_without_caches(tmp_path: Path) -> None:
    (tmp_path / "pkg" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pkg" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tmp_path / "pkg" / "a.py").write_text("a = 1")
    archive = Archive(hash="1", path=str(tmp_path))
    first = zip_bytes(archive)
    (tmp_path / "pkg" / "a.py").touch()
    assert zip_bytes(archive) == first
    assert names(first) == {"pkg/a.py": b"a = 1"}


def test_nested_archives_keep_their_folders(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("b")
    inner = Archive(hash="2", path=str(tmp_path))
    outer = Archive(hash="1", assets={"pkg": inner, "a.py": Asset(hash="3", text="a")})
    assert names(zip_bytes(outer)) == {"pkg/b.py": b"b", "a.py": b"a"}


def test_remote_assets_are_refused() -> None:
    with pytest.raises(ValueError, match="remote"):
        asset_bytes(Asset(hash="1", uri="https://example.org/x"))
