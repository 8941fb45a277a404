"""Which Pulumi CLI fits."""

import pytest

from local.engine.pulumi_cli import fits


@pytest.mark.parametrize(
    ("version", "expected"),
    [("3.220.0", True), ("3.271.1", True), ("3.219.9", False), ("4.0.0", False), ("", False), ("dev", False)],
)
def test_a_cli_fits_from_the_pinned_version_on_within_major_three(version: str, expected: bool) -> None:
    assert fits(version) is expected
