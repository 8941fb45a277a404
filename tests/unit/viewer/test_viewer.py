"""The viewer's pieces without a browser: the pin, the headers, the configuration, what is served."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from pathlib import Path

import pytest

from viewer import configuration, headers, release

ORIGIN = "https://viewer.example.org"
SIGN_IN = configuration.SignIn(issuer="https://issuer/pool", client_id="viewer-1", authorize_origin="https://sign-in")


def test_an_archive_with_another_hash_is_refused_and_thrown_away(tmp_path: Path) -> None:
    archive = tmp_path / "ohif.tgz"
    archive.write_bytes(b"not it")
    with pytest.raises(release.ReleaseError, match="pinned"):
        release.verify(archive, release.pinned()["integrity"])
    assert not archive.exists()
    archive.write_bytes(b"it")
    digest = base64.b64encode(hashlib.sha512(b"it").digest()).decode()
    release.verify(archive, f"sha512-{digest}")


def test_a_page_with_another_inline_script_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("<script>a()</script>")
    digest = base64.b64encode(hashlib.sha256(b"a()").digest()).decode()
    release.verify_page(page, [f"sha256-{digest}"])
    with pytest.raises(release.ReleaseError, match=re.escape(f"sha256-{digest}")):
        release.verify_page(page, release.pinned()["inline_scripts"])


def test_a_release_without_what_is_fetched_ahead_is_refused(tmp_path: Path) -> None:
    names = [*release.pinned()["opening"], *release.pinned()["decoder"]]
    with pytest.raises(release.ReleaseError, match=names[0]):
        release.verify_files(tmp_path, names)
    for name in names:
        (tmp_path / name).touch()
    release.verify_files(tmp_path, names)
    first, *others = configuration.config(ORIGIN, SIGN_IN)["platform"]["ahead"]
    assert first == f"/{names[0]}", "it tells how fast the line is"
    own = others[: len(release.extension())]
    assert own[0] == "/platform/extension.js"
    assert set(own) == {f"/{path}" for path in release.extension()}
    assert others[len(own) :] == [f"/{name}" for name in names[1:]]


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_what_is_served_is_compressed_once_and_foreign_pages_are_left_out(tmp_path: Path, encoding: str) -> None:
    if encoding == "br" and shutil.which("node") is None:
        pytest.skip("no Node.js on PATH (Debian: apt-get install nodejs)")
    dist = tmp_path / "dist"
    (dist / "ort").mkdir(parents=True)
    for name in ("index.html", "app.bundle.0f6159c501addfe9.js", "ort/model.wasm", "silent-refresh.html", "x.png"):
        (dist / name).write_bytes(b"text " * 100)
    found = release.assets(dist, tmp_path / "made", encoding)
    assert {"index.html", "app.bundle.0f6159c501addfe9.js", "x.png", "platform/extension.js"} <= found.keys()
    assert not {"ort/model.wasm", "silent-refresh.html"} & found.keys()
    bundle = found["app.bundle.0f6159c501addfe9.js"]
    assert (bundle.immutable, bundle.encoding, bundle.media_type) == (True, encoding, "text/javascript")
    assert bundle.file.stat().st_size < 500
    made = bundle.file.stat().st_mtime_ns
    assert release.assets(dist, tmp_path / "made", encoding)["app.bundle.0f6159c501addfe9.js"].file == bundle.file
    assert bundle.file.stat().st_mtime_ns == made
    assert (found["index.html"].immutable, found["x.png"].encoding) == (False, "")


def test_the_page_may_run_its_own_scripts_and_talk_to_its_own_origin_only() -> None:
    policy = headers.content_security_policy("<script>a()</script><script src=x></script>")
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    digest = base64.b64encode(hashlib.sha256(b"a()").digest()).decode()
    assert directives["script-src"] == f"'self' 'wasm-unsafe-eval' 'sha256-{digest}'"
    assert (directives["connect-src"], directives["default-src"]) == ("'self'", "'none'")
    assert "'unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert "'unsafe-eval'" in headers.script_headers()["Content-Security-Policy"], "in workers only"


def test_pages_are_isolated_and_pinned_to_tls() -> None:
    assert headers.FIXED["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers.FIXED["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert int(re.findall(r"max-age=(\d+)", headers.HSTS)[0]) >= 31_536_000


def test_the_configuration_has_one_source_on_its_own_origin_and_no_way_to_name_another() -> None:
    made = configuration.config(ORIGIN, SIGN_IN)
    [source] = made["dataSources"]
    assert source["namespace"].endswith("dataSourcesModule.dicomweb")
    assert {source["configuration"][root] for root in ("qidoRoot", "wadoRoot", "wadoUriRoot")} == {"/dicom-web"}
    text = configuration.text(ORIGIN, SIGN_IN)
    for opening in ("dicomjson", "dicomwebproxy", "dicomlocal", "dangerouslyUseDynamicConfig", "customizationUrl"):
        assert opening not in text


def test_small_pictures_come_first_and_count_as_such() -> None:
    retrieval = configuration.config(ORIGIN, SIGN_IN)["dataSources"][0]["configuration"]["stackRetrieveOptions"]["$set"]
    assert [stage["retrieveType"] for stage in retrieval["stages"]] == ["singleFast", "singleFinal"]
    fast = retrieval["retrieveOptions"]["singleFast"]
    assert (fast["urlArguments"], fast["imageQualityStatus"]) == ("resolution=3", configuration.SUBRESOLUTION)


def test_sign_in_is_the_code_flow_and_tokens_come_through_the_own_origin() -> None:
    [oidc] = configuration.config(ORIGIN, SIGN_IN)["oidc"]
    assert oidc["response_type"] == "code"
    assert oidc["metadata"]["token_endpoint"] == f"{ORIGIN}/oauth2/token", "connect-src allows no other"
    assert oidc["metadata"]["authorization_endpoint"].startswith("https://sign-in/")
    assert "client_secret" not in oidc


def test_without_npm_the_release_cannot_be_had_and_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(release.ReleaseError, match=r"install Node\.js"):
        release.fetch(tmp_path / "cache")


def test_a_registry_that_does_not_answer_is_named_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(release.ReleaseError, match="registry"):
        release.fetch(tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob(".whole"))
