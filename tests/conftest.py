"""What all tests share."""

import copy
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no-clock", deadline=None)  # a busy machine is no defect
settings.load_profile("no-clock")

LONGEST = ("tensorflow", "engine", "check", "local", "thorough")
"""Marks of what takes longest, first to start: begun last, one file would run alone for minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where files are dealt to several processes the long ones go first; else, as in the chain, the order stays."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    ranks: dict[Path, int] = {}
    for item in items:
        rank = next((place for place, mark in enumerate(LONGEST) if item.get_closest_marker(mark)), len(LONGEST))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session", autouse=True)
def one_build_per_pipeline_configuration() -> Iterator[None]:
    """The SageMaker SDK takes seconds to build a definition, which is a pure value of its configuration.

    Programs under mocks build it dozens of times, here in this process; tests/contract/test_pipeline_definition.py
    builds it for real, in a process of its own too.
    """
    from components import training_pipeline
    from training.definition import PipelineConfig, build

    cached = functools.cache(build)

    async def finished(config: PipelineConfig) -> dict[str, Any]:
        return copy.deepcopy(cached(config))

    real = training_pipeline.definition_process
    training_pipeline.definition_process = SimpleNamespace(start=lambda config: config, finished=finished)
    yield
    training_pipeline.definition_process = real
