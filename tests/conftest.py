"""What all tests share."""

import copy
import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# The embedded AWS writes its snapshots in forked children and has no gRPC in its process; these workers have (Pulumi),
# whose handlers start its threads again in every child and abort it when they find their files closed.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

settings.register_profile("no-clock", deadline=None)  # a busy machine is no defect
settings.load_profile("no-clock")

LONGEST = ("tensorflow", "engine", "check", "local", "thorough")
"""Marks of what takes longest, first to start: begun last, one file would run alone for minutes."""

LOOKING_AT_THE_WHOLE_PROGRAM = (
    "contract/test_components.py",
    "contract/test_cost.py",
    "contract/test_documents.py",
    "contract/test_functions.py",
    "contract/test_metrics.py",
    "contract/test_provider_schema.py",
    "contract/test_reference.py",
    "contract/test_runbooks.py",
    "contract/test_stable_names.py",
    "unit/components/test_main.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where files are dealt to several processes the long ones go first; else, as in the chain, the order stays."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    ranks: dict[Path, int] = {}
    for item in items:
        rank = next((place for place, mark in enumerate(LONGEST) if item.get_closest_marker(mark)), len(LONGEST))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


class FilesTogether(LoadFileScheduling):
    """A file goes to one process, as `--dist loadfile` does it; files about the whole program go to the same one.

    A stack's program takes seconds to evaluate and is kept for all that look at it in that process.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "the whole program" if file.endswith(LOOKING_AT_THE_WHOLE_PROGRAM) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Only for `--dist loadfile`; other ways of dealing stay xdist's own."""
    return FilesTogether(config, log) if config.getvalue("dist") == "loadfile" else None


gc.disable()  # until the tests are collected: nothing of theirs is garbage


def _settle() -> None:
    """Takes what is alive out of the garbage collector's sight: millions of objects that stay as long as the run.

    7,000 tests and the SDKs of Pulumi, AWS and SageMaker are live objects; to walk them costs one to two seconds, and
    each test that makes some thousand objects sets it off. Collected first, so that no garbage is kept.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """The tests and what they import stay."""
    _settle()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def what_a_file_leaves_stays() -> Iterator[None]:
    """Modules that a file's tests imported, and what they cached for the files behind it."""
    yield
    _settle()


@pytest.fixture(scope="session", autouse=True)
def one_reading_of_botocores_models() -> Iterator[None]:
    """botocore's JSON of a service is megabytes, read by each session anew, and every mocked AWS begins a session.

    A loader keeps what it read and shares it between the clients of its session; here all sessions share one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


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
