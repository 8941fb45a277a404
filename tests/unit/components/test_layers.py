"""Layers come from what was built, or the program says how to build them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components._base import Context
from components.layers import CONTENTS, Layers, LayersArgs, LayersMissingError

LAYER = "aws:lambda/layerVersion:LayerVersion"


def build(root: Path, *layers: str) -> None:
    for layer in layers:
        (root / "python3.12" / layer / "python").mkdir(parents=True)


def test_each_layer_is_a_version_for_the_stacks_runtime(
    record: Any, context: Context, tmp_path: Path, preview: bool
) -> None:
    build(tmp_path, *CONTENTS)

    def program() -> None:
        Layers("layers", LayersArgs(context=context, runtime="python3.12", root=tmp_path))

    versions = record(program, preview=preview).of(LAYER)
    assert {version.name for version in versions} == {"layers-shared", "layers-evaluation", "layers-api"}
    assert all(version.inputs["compatibleRuntimes"] == ["python3.12"] for version in versions)
    assert all(version.inputs["skipDestroy"] is True for version in versions), "a running function needs its version"


@pytest.mark.parametrize("missing", sorted(CONTENTS))
def test_a_layer_that_was_not_built_ends_the_program_with_the_way_to_build_it(
    record: Any, context: Context, tmp_path: Path, missing: str
) -> None:
    build(tmp_path, *(layer for layer in CONTENTS if layer != missing))

    def program() -> None:
        Layers("layers", LayersArgs(context=context, runtime="python3.12", root=tmp_path))

    with pytest.raises(LayersMissingError, match=f"'{missing}' for python3.12 is not built: run `make layers`"):
        record(program)
