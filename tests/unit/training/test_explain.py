"""Which cases are shown with a heat map, and that a sheet of them can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training import explain


def test_the_surest_cases_of_each_kind_are_shown() -> None:
    labels = np.array([1, 1, 1, 0, 0, 1])
    scores = np.array([0.6, 0.99, 0.8, 0.7, 0.1, 0.2])
    assert explain.chosen(labels, scores, 0.5, cases=2) == [
        (1, "found"),
        (2, "found"),
        (5, "missed"),
        (3, "false alarm"),
        (4, "rightly normal"),
    ]


@pytest.mark.parametrize("count", [1, 5])
def test_a_sheet_is_drawn_and_the_same_input_gives_the_same_bytes(tmp_path: Path, count: int) -> None:
    generator = np.random.default_rng(1)
    images, maps = generator.random((count, 16, 16)), generator.random((count, 4, 4))
    for name in ("a.png", "b.png"):
        explain.draw(images, maps, ["pneumonia, found 0.93"] * count, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
