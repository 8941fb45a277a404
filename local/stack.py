"""The stack `local`: the real engine over the embedded AWS; and offline previews of every stack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.aws_process import DEFAULT_PORT, AwsProcess
from local.cloud import Cloud
from local.engine import environment
from local.engine.paths import CACHE, ROOT, RUN
from local.engine.project import write_project
from local.pulumi_run import PulumiRun, run_pulumi
from local.viewer_process import Viewer
from viewer import release

STACK = "local"
POLICY_PACK = ROOT / "policy"
# more workers than cores bring nothing: the provider is one Python process
_PARALLEL = "8"

Follow = Callable[[PulumiRun], None]


class LocalStack:
    """One run folder: state of the engine, state of the embedded AWS, the generated project."""

    def __init__(self, run: Path = RUN, port: int = DEFAULT_PORT) -> None:
        self.run = run
        self.aws = AwsProcess(run / "aws", port)
        self.project = run / "project"
        self.viewer = Viewer(run)

    def environment(self) -> dict[str, str]:
        """Environment for `pulumi` on this stack; the embedded AWS must run."""
        return environment(state_dir=self.run / "state", aws_env=self.aws.environment())

    def client_environment(self) -> dict[str, str]:
        """Environment for the AWS CLI, boto3 or curl on this stack."""
        return self.aws.environment()

    def _select(self) -> None:
        write_project(self.project)
        run_pulumi(["stack", "select", "--create", STACK], env=self.environment(), cwd=self.project)

    def pulumi(
        self, arguments: list[str], follow: Follow | None = None, *, check: bool = True
    ) -> tuple[int, PulumiRun]:
        """Any `pulumi` command on the stack `local`."""
        self._select()
        return run_pulumi(
            [*arguments, "--stack", STACK], env=self.environment(), cwd=self.project, follow=follow, check=check
        )

    def up(self, follow: Follow | None = None) -> PulumiRun:
        """Start the embedded AWS and bring the stack up; the policy pack guards the preview and the update."""
        self.aws.start()
        arguments = ["up", "--yes", "--policy-pack", str(POLICY_PACK), "--parallel", _PARALLEL, "--suppress-outputs"]
        return self.pulumi(arguments, follow)[1]

    def outputs(self) -> dict[str, Any]:
        """Stack outputs by name."""
        _, run = self.pulumi(["stack", "output", "--json", "--show-secrets"])
        return json.loads(run.text)

    def serve_viewer(self) -> str:
        """Start frame_proxy and the TLS origin in front of the stack; the viewer's address.

        Raises ReleaseError where OHIF cannot be fetched, ViewerProcessError where a process does not start.
        """
        release.fetch(CACHE)
        return self.viewer.start(self.outputs(), self.aws.start(), self.aws.folder)

    def exists(self) -> bool:
        """True when a stack was brought up in this folder."""
        return (self.run / "state" / ".pulumi" / "stacks").exists() and (self.aws.folder / "ready.json").exists()

    def destroy(self, follow: Follow | None = None) -> None:
        """Delete every resource through the engine, as one would on AWS; the embedded AWS goes on running.

        A data store and a model package group must be empty before they can be deleted, and the engine keeps
        protected resources: all are undone here, since whoever destroys the local stack means it. Files that were on
        their way can fill a bucket or the data store again, and a pipeline under way can register a model, behind the
        engine's back; the functions that do so are gone after the first pass.
        """
        self.aws.start()
        self.viewer.stop()
        self.pulumi(["state", "unprotect", "--all", "--yes"])
        for last in (False, True):
            self._empty_data_store()
            self._empty_model_registry()
            code, _ = self.pulumi(["destroy", "--yes", "--parallel", _PARALLEL], follow, check=last)
            if code == 0:
                return

    def remove(self) -> None:
        """End the embedded AWS and remove the run folder: everything that the stack made lives there."""
        self.viewer.stop()
        self.aws.stop()
        shutil.rmtree(self.run, ignore_errors=True)

    def _empty_data_store(self) -> None:
        images = Cloud(self.client_environment()).client("medical-imaging")
        for store in images.list_datastores(datastoreStatus="ACTIVE")["datastoreSummaries"]:
            pages = images.get_paginator("search_image_sets").paginate(datastoreId=store["datastoreId"])
            for found in (f for page in pages for f in page["imageSetsMetadataSummaries"]):
                images.delete_image_set(datastoreId=store["datastoreId"], imageSetId=found["imageSetId"])

    def _empty_model_registry(self) -> None:
        registry = Cloud(self.client_environment()).client("sagemaker")
        for group in registry.list_model_package_groups()["ModelPackageGroupSummaryList"]:
            pages = registry.get_paginator("list_model_packages").paginate(
                ModelPackageGroupName=group["ModelPackageGroupName"]
            )
            for package in (p for page in pages for p in page["ModelPackageSummaryList"]):
                registry.delete_model_package(ModelPackageName=package["ModelPackageArn"])


def preview_offline(
    stack: str,
    follow: Follow | None = None,
    *,
    arguments: list[str] | None = None,
    program: Path | None = None,
    folder: Path | None = None,
    source: Path = ROOT,
) -> tuple[int, PulumiRun]:
    """`pulumi preview` of any stack with the stand-in plugins: no network, no credentials, policies enforced.

    `program` is another folder with a `__main__.py` (mutants in tests), `folder` where the engine keeps its state,
    `source` the folder of another project (the bootstrap).
    """
    folder = folder or CACHE / "offline" / source.name
    env = environment(state_dir=folder / "state", offline=True)
    project = write_project(folder / "project", source=source, program=program)
    run_pulumi(["stack", "select", "--create", stack], env=env, cwd=project)
    command = ["preview", "--stack", stack, "--policy-pack", str(POLICY_PACK), *(arguments or [])]
    return run_pulumi(command, env=env, cwd=project, follow=follow, check=False)
