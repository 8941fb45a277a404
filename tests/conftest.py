"""What all tests share."""

import copy
import functools
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("no-clock", deadline=None)  # a busy machine is no defect
settings.load_profile("no-clock")


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
