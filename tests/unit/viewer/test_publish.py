"""The viewer's files in the bucket behind CloudFront: what is put, in which order, and when nothing is."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tools import publish_viewer
from viewer import headers, release
from viewer.publish import NotPublishableError, objects, publish, sign_in_of

BUCKET = "stack-viewer-111122223333"
OUTPUTS = {
    "viewer_url": "https://viewer.example.org",
    "viewer_origins": ["https://viewer.example.org"],
    "viewer_bucket": BUCKET,
    "viewer_client_id": "viewer-1",
    "user_pool_id": "us-east-1_pool",
    "sign_in_host": "sign-in.auth.us-east-1.amazoncognito.com",
}
BUNDLE = "app.bundle.0f6159c501addfe9.js"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A release of three files."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in ("index.html", BUNDLE, "logo.png"):
        (folder / name).write_text(f"{name} " * 100)
    return folder


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 with the viewer's bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def wanted(dist: Path, config: str = "window.config = {};") -> Any:
    return objects(release.assets(dist, dist.parent / "gz", "gzip"), config)


def test_browsers_get_each_file_with_its_type_compressed_and_as_long_as_it_lasts(s3: Any, dist: Path) -> None:
    publish(s3, BUCKET, wanted(dist))
    bundle = s3.get_object(Bucket=BUCKET, Key=BUNDLE)
    assert (bundle["ContentType"], bundle["ContentEncoding"]) == ("text/javascript; charset=utf-8", "gzip")
    assert bundle["CacheControl"] == headers.IMMUTABLE
    assert gzip.decompress(bundle["Body"].read()) == (dist / BUNDLE).read_bytes()
    page, picture, config, ours = (
        s3.head_object(Bucket=BUCKET, Key=key)
        for key in ("index.html", "logo.png", "app-config.js", "platform/panel.js")
    )
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert (picture["ContentType"], picture.get("ContentEncoding")) == ("image/png", None)
    assert {one["CacheControl"] for one in (page, picture, config, ours)} == {headers.REVALIDATE}


def test_what_a_page_names_is_there_before_it_and_the_page_comes_last(dist: Path) -> None:
    keys = [one.key for one in wanted(dist)]
    assert (keys[0], keys[-1]) == (BUNDLE, "index.html")
    assert keys.index("app-config.js") < keys.index("index.html")


def test_only_what_differs_is_put_again_and_nothing_is_taken_away(s3: Any, dist: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="app.bundle.ffffffffffffffff.js", Body=b"of the release before")
    assert publish(s3, BUCKET, wanted(dist))[-1] == "index.html"
    assert publish(s3, BUCKET, wanted(dist)) == []
    assert publish(s3, BUCKET, wanted(dist, "window.config = { changed: true };")) == ["app-config.js"]
    s3.copy_object(
        Bucket=BUCKET,
        Key=BUNDLE,
        CopySource={"Bucket": BUCKET, "Key": BUNDLE},
        MetadataDirective="REPLACE",
        ContentType="text/plain",
    )
    assert publish(s3, BUCKET, wanted(dist, "window.config = { changed: true };")) == [BUNDLE], "by hand, and wrong"
    assert s3.head_object(Bucket=BUCKET, Key="app.bundle.ffffffffffffffff.js")


def test_a_bucket_that_cannot_be_read_is_an_error_and_not_an_empty_one(s3: Any, dist: Path) -> None:
    with pytest.raises(s3.exceptions.ClientError):
        publish(s3, "no-such-bucket", wanted(dist))


@pytest.mark.parametrize(
    ("changed", "words"), [({"viewer_url": ""}, "frameProxy"), ({"viewer_origins": []}, "sign in")]
)
def test_a_viewer_that_nobody_could_use_is_not_published(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(NotPublishableError, match=words):
        sign_in_of({**OUTPUTS, **changed}, "us-east-1")


def test_the_command_configures_the_viewer_from_the_stacks_outputs(
    s3: Any, dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publish_viewer, "released_assets", lambda cache: release.assets(dist, cache))

    def run(**changed: Any) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({**OUTPUTS, **changed})))
        return publish_viewer.main(["prod", "--outputs", "-", "--cache", str(dist.parent / "gz")])

    assert run() == 0
    assert "of them put; https://viewer.example.org" in capsys.readouterr().out
    config = s3.get_object(Bucket=BUCKET, Key="app-config.js")["Body"].read().decode()
    assert '"authority": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool"' in config
    assert '"authorization_endpoint": "https://sign-in.auth.us-east-1.amazoncognito.com/oauth2/authorize"' in config
    assert '"token_endpoint": "https://viewer.example.org/oauth2/token"' in config, "the page may call its origin only"
    assert run(viewer_bucket="") == 0, "a stack without a viewer"
    assert run(viewer_origins=[]) == 1
    assert "api.viewerOrigins" in capsys.readouterr().err
