"""The comment of a pull request: what matters comes first, nothing secret is in it, and it always fits."""

import pytest

from gitops.comment import LIMIT, CommentFacts, build_comment, marker
from gitops.errors import GitopsError
from gitops.preview import read_preview
from gitops.redaction import credentials_in, scrub, shown

FACTS = CommentFacts(stack="prod", commit="0123456789abcdef" * 2 + "01234567", run_url="https://ci.example/run/1")
SENTINEL = "SENTINEL-hunter2-do-not-show"
VIOLATION = (
    "    [mandatory] [severity: high]  s3-sse-present  (aws:s3/bucket:Bucket: landing)\n    Say how it is encrypted."
)


def comment(text, beside="", code=0):
    return build_comment(read_preview(text, beside, code), FACTS)


def test_lost_data_stands_before_refusals_and_those_before_ordinary_changes(step, document):
    text = document(
        step("create", "aws:sqs/queue:Queue", "new-queue", new={}),
        step("update", "aws:lambda/function:Function", "api", old={}, new={}, detailedDiff={"code": {}}),
        step("delete", "aws:iam/role:Role", "old-role", old={}),
        step("replace", "aws:dynamodb/table:Table", "labels", old={}, new={}, replaceReasons=["hashKey"]),
        step("delete", "aws:s3/bucket:Bucket", "landing", old={}),
    )
    found = comment(text, beside=VIOLATION)
    order = [
        found.index(word)
        for word in ("`labels`", "`landing`", "`s3-sse-present`", "`old-role`", "`api`", "`new-queue`")
    ]
    assert order == sorted(order)
    assert "**REPLACE**" in found
    assert "`hashKey`" in found
    assert "Data would be lost (2)" in found


@pytest.mark.parametrize(
    "place", ["input", "old", "list", "map-value", "error", "name-of-listed-property"], ids=lambda place: f"in-{place}"
)
def test_a_secret_that_was_read_as_plain_text_is_not_shown(place, step, document):
    new = {
        "input": {"password": SENTINEL},
        "old": {},
        "list": {"args": ["x", [SENTINEL]]},
        "map-value": {"environment": {"variables": {"TOKEN": SENTINEL}}},
        "error": {"password": SENTINEL},
        "name-of-listed-property": {"environment": {"status": {"a": SENTINEL}}},
    }[place]
    old = {"password": SENTINEL} if place == "old" else {"password": "x"}
    changed = step(
        "update",
        "aws:lambda/function:Function",
        "api",
        old=old,
        new=new,
        detailedDiff={"password": {}, "environment.variables.TOKEN": {}, "environment.status": {}, "args[1][0]": {}},
    )
    errors = [{"severity": "error", "message": f"InvalidParameter: {SENTINEL} is too weak"}] if place == "error" else []
    found = comment(document(changed, diagnostics=errors))
    assert SENTINEL not in found
    assert "hunter2" not in found
    assert "`password`" in found, "the reader has to see that it changes"


def test_harmless_properties_show_their_values(step, document):
    found = comment(
        document(
            step(
                "update",
                "aws:lambda/function:Function",
                "api",
                old={"memorySize": 512, "timeout": 10},
                new={"memorySize": 1024, "timeout": 10},
                detailedDiff={"memorySize": {}},
            )
        )
    )
    assert "`memorySize`: `512` → `1024`" in found


@pytest.mark.parametrize("glyph", ["x", "ü", "影", "🩻"])
def test_a_huge_preview_fits_into_a_comment_and_says_how_much_is_missing(glyph, step, document):
    steps = [step("create", "aws:sqs/queue:Queue", f"{glyph * 120}-{n}", new={}) for n in range(900)]
    steps.append(step("delete", "aws:s3/bucket:Bucket", "landing", old={}))
    found = comment(document(*steps))
    assert len(found.encode()) <= LIMIT
    assert "`landing`" in found, "what loses data is never cut in favour of the rest"
    shown_rows = found.count("+ create")
    assert f"{900 - shown_rows} more rows did not fit" in found
    assert found.rstrip().endswith("(https://ci.example/run/1)")


def test_when_even_the_losses_do_not_fit_the_comment_says_that_it_is_cut(step, document):
    steps = [step("delete", "aws:s3/bucket:Bucket", f"{'影' * 150}-{n}", old={}) for n in range(300)]
    found = comment(document(*steps))
    assert len(found.encode()) <= LIMIT
    assert "This comment is cut" in found


def test_markup_in_names_and_errors_stays_text(step, document):
    found = comment(
        document(
            step("create", "aws:sqs/queue:Queue", "a`|b\n@everyone <img>", new={}),
            diagnostics=[{"severity": "error", "message": "bad `x`\n# heading\n| cell |"}],
        )
    )
    assert "\n# heading" not in found
    assert "`a'¦b @everyone <img>`" in found


def test_a_replacement_of_three_steps_is_one_row(step, document):
    steps = [
        step(op, "aws:s3/bucket:Bucket", "landing", old={}, new={}, replaceReasons=causes)
        for op, causes in (("create-replacement", ["bucket"]), ("replace", ["bucket"]), ("delete-replaced", []))
    ]
    found = comment(document(*steps))
    assert found.count("`landing`") == 1
    assert "1 to replace" in found


def test_a_preview_that_failed_before_it_planned_still_gives_a_comment():
    found = comment("error: could not decrypt configuration value\n", code=255)
    assert marker("prod") in found.splitlines()[0]
    assert "this preview failed" in found
    assert "could not decrypt" in found


@pytest.mark.parametrize("code", [0, 255])
def test_the_exit_code_decides_whether_a_preview_without_errors_is_whole(code, document):
    assert ("this preview failed" in comment(document(), code=code)) == bool(code)


def test_a_cut_document_is_refused_instead_of_read_as_no_change(step, document):
    with pytest.raises(GitopsError, match="does not end"):
        read_preview(document(step("create", "aws:sqs/queue:Queue", "q", new={}))[:-20])


def test_warnings_before_the_document_do_not_hide_it(step, document):
    text = "warning: using pulumi-aws from $PATH\n" + document(step("create", "aws:sqs/queue:Queue", "q", new={}))
    assert read_preview(text).count("create") == 1


@pytest.mark.parametrize(
    "credential",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
        "v1:AbCdEfGhIjKl:MnOpQrStUvWx",
    ],
    ids=["aws-key", "github-token", "web-token", "private-key", "ciphertext"],
)
def test_credentials_are_found_in_free_text(credential):
    assert credentials_in(f"so: {credential}.") == 1
    assert credential not in scrub(f"so: {credential}.")


def test_a_listed_property_with_a_credential_or_a_structure_is_not_shown():
    assert shown("status", "AKIAIOSFODNN7EXAMPLE") is None
    assert shown("environment.status", {"a": 1}) is None
    assert shown("password", "short") is None
    assert shown("inner.memorySize", 512) == "512"
