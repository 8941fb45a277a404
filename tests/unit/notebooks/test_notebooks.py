"""The notebooks that need no stack run from start to end; all of them are committed without what a run leaves."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.fixtures.notebooks import FOLDER, run

ROOT = Path(__file__).resolve().parents[3]
TRAIN_PYTHON = ROOT / ".venvs" / "train" / "bin" / "python"
NEEDS_A_STACK = "4-deployment-validation.ipynb"  # tests/local/chain runs it


def test_these_are_the_notebooks() -> None:
    names = sorted(path.name for path in FOLDER.glob("*.ipynb"))
    assert names == ["1-data.ipynb", "2-model.ipynb", "3-pipeline.ipynb", NEEDS_A_STACK]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_committed_without_results(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.get("execution_count") is None
        assert not cell.get("outputs"), "a result of somebody's run says nothing about the code of today"


@pytest.mark.thorough
def test_the_data_notebook_runs() -> None:
    said = run("1-data.ipynb")
    assert "12 pseudonyms, no identifier left, every pixel as it was" in said
    assert "refused: 1 patient(s) are in both train and test" in said


@pytest.mark.tensorflow
@pytest.mark.skipif(not TRAIN_PYTHON.exists(), reason="the training environment (.venvs/train) is not installed")
def test_the_model_notebook_runs() -> None:
    said = run("2-model.ipynb")
    assert "[metric] epoch=3 " in said
    assert "asked 1.01: refused" in said


@pytest.mark.thorough
def test_the_pipeline_notebook_runs() -> None:
    said = run("3-pipeline.ipynb")
    assert "Preprocess" in said
    assert "RegisterModel" in said
