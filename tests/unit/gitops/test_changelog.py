"""A release tells what its changelog tells."""

import pytest

from gitops.changelog import entry
from gitops.errors import RefusedError

TEXT = "# Changelog\n\n## [Unreleased]\n\n## [1.10.0] - 2026-11-21\n\n### Added\n- a\n\n## 1.1.0\n\n- b\n"


@pytest.mark.parametrize(("version", "body"), [("1.10.0", "### Added\n- a\n"), ("1.1.0", "- b\n")])
def test_the_entry_of_a_version_is_its_section(version, body):
    assert entry(TEXT, version) == body


@pytest.mark.parametrize("version", ["Unreleased", "2.0.0", "1.1"])
def test_a_version_without_an_entry_is_not_released(version):
    with pytest.raises(RefusedError):
        entry(TEXT, version)
