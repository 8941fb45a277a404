"""What all tests share."""

import copy
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take whole files, so that costly fixtures are made once; the chain shares one stack over its files."""
    for item in items:
        place = item.path.relative_to(HERE)
        chain = place.is_relative_to("local/chain")
        item.add_marker(pytest.mark.xdist_group("chain" if chain else place.as_posix()))
    # the longest group first: the other worker does the many short ones meanwhile
    items.sort(key=lambda item: not item.path.is_relative_to(HERE / "local" / "chain"))


@pytest.fixture(scope="session", autouse=True)
def one_build_per_pipeline_configuration() -> Iterator[None]:
    """The SageMaker SDK takes seconds to build a definition, which is a pure value of its configuration.

    Programs under mocks build it dozens of times; tests/contract/test_pipeline_definition.py builds it for real.
    """
    from components import training_pipeline

    real = training_pipeline.build
    cached = functools.cache(real)
    training_pipeline.build = lambda config: copy.deepcopy(cached(config))
    yield
    training_pipeline.build = real
