"""The metric line and its pattern agree; directories follow SAGEMAKER_BASE_DIR."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from training import names


@pytest.mark.parametrize("value", [0.0, 1.0, 12.5, 123456.789, 1e-7])
def test_a_pattern_reads_the_number_that_the_line_has(value: float):
    line = names.metric_line(7, {"train_loss": 9.0, "validation_loss": value})
    assert float(re.findall(names.metric_pattern("validation_loss"), line)[0]) == pytest.approx(value, abs=1e-6)


def test_a_metric_that_sagemaker_would_not_read_is_refused():
    with pytest.raises(ValueError, match="surprise"):
        names.metric_line(1, {"surprise": 1.0})


def test_directories_follow_the_toolkits_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SAGEMAKER_BASE_DIR", raising=False)
    assert names.processing_dir("train") == Path("/opt/ml/processing/train")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", "/elsewhere")
    assert names.processing_dir("train") == Path("/elsewhere/processing/train")
