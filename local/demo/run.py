"""The main job on real input: from a folder of DICOM files to a deployed model, shown live.

Each step does what its user or machine would do: a portal uploads through presigned URLs, a radiologist verifies
through the API, and everything between and after happens by events. The script only watches.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from local.cloud import Cloud
from local.console import GaveUpError, Steps, Ticker, console, tell, wait_for
from local.demo import report
from local.demo.clients import Api, assign, sign_in, subject_of
from local.demo.people import demo_people, kept_people
from local.demo.upload import Upload, upload_all
from local.demo.watch import tracking_items, watch_ingestion, watch_pipeline
from local.engine.paths import CACHE, PROJECT_PYTHON, ROOT
from local.pulumi_run import PulumiRun
from local.stack import LocalStack

SAMPLE = CACHE / "sample-dicom"
FINDING_MM2 = 2000


@dataclass
class Demo:
    """One run of the main job; `facts` become the table and the page at its end."""

    stack: LocalStack
    patients: int
    slices: int
    seed: int
    shuffle_labels: bool = False
    root: Path = SAMPLE
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Path:
        """Do it all; returns the page that tells what happened."""
        steps = Steps(total=10)
        self.facts["started"] = datetime.now(UTC).isoformat(timespec="seconds")
        with steps.step("Bring up the stack `local`: the real Pulumi engine over the embedded AWS"):
            self._up()
        with steps.step(
            "Make the sample: a semi-synthetic chest CT cohort, real files of many modalities, hostile files"
        ):
            files = make_sample(self.patients, self.slices, self.seed)
        with steps.step("Sign in and upload through presigned URLs"):
            uploads = self._upload(files)
        with steps.step("Ingestion: validate, quarantine, de-identify, import into HealthImaging"):
            self.items = items = self._ingest(uploads)
        with steps.step("Look at a frame that HealthImaging made"):
            self._look_at_frame(items)
        with steps.step("A radiologist verifies each study through the API"):
            execution = self._verify(items)
        with steps.step("The pipeline: preprocess, train, evaluate, gate, register"):
            description = self._train(execution)
        if description["PipelineExecutionStatus"] == "Succeeded":
            with steps.step("Independent evaluation, approval, deployment"):
                self._deploy(execution)
            with steps.step("One inference by the deployed endpoint"):
                self._infer(items)
        else:
            with steps.step("The gate refused: nothing registered, a human is told"):
                self._refused(description)
        self.facts["seconds"] = dict(steps.seconds)
        with steps.step("Write the report"):
            page = report.write(self.stack.run / "report", self.facts)
        self._summary(page)
        return page

    def spoil(self) -> None:
        """After `run`: the same studies verified again with shuffled labels, up to the gate that has to refuse."""
        self.shuffle_labels = True
        description = self._train(self._verify(self.items))
        self._refused(description)

    # -- the steps --------------------------------------------------------------------------------
    def _up(self) -> None:
        ticker = Ticker()

        def follow(run: PulumiRun) -> None:
            ticker.show(f"resources: {run.planned} planned, {run.done} done")

        run = self.stack.up(follow)
        ticker.end(f"{run.done} resources changed" if run.done else "no change: the stack was up to date")
        self.facts["outputs"] = self.out = self.stack.outputs()
        self.cloud = Cloud(self.stack.client_environment())
        tell(f"API: {self.out['api_url']}")

    def _upload(self, files: list[Path]) -> list[Upload]:
        people = demo_people(self.stack)
        bundle = self.cloud.env["AWS_CA_BUNDLE"]
        tokens = {role: sign_in(self.cloud, self.out["user_pool_client_id"], who) for role, who in people.items()}
        self.readers = [subject_of(tokens[role]) for role, who in people.items() if who.group == "radiologist"]
        self.api = Api(self.out["api_url"], tokens["radiologist"], bundle)
        self.admin = Api(self.out["api_url"], tokens["admin"], bundle)
        ticker = Ticker()
        uploads = upload_all(self.api, files, bundle, lambda done: ticker.show(f"{done} of {len(files)} files"))
        size = sum(u.size_bytes for u in uploads)
        ticker.end(f"{len(uploads)} files, {size / 1e6:.0f} MB")
        self.facts["uploaded"] = {"files": len(uploads), "megabytes": round(size / 1e6)}
        return uploads

    def _ingest(self, uploads: list[Upload]) -> list[dict[str, Any]]:
        names = {f"upload/{u.upload_id}.dcm": u.path for u in uploads}
        items = watch_ingestion(self.cloud, self.out["tracking_table"], set(names), seconds=600 + 2 * len(names))
        for item in items:
            item["source"] = names[item["upload_key"]].relative_to(self.root).as_posix()
        quarantined = [i for i in items if i["status"] == "QUARANTINED"]
        refused = [i for i in items if i.get("deid_status") == "REFUSED"]
        for item in quarantined[:12]:
            tell(f"quarantined {item['source']}: {item['reason_code']}")
        self.facts["ingestion"] = {
            "status": dict(Counter(i["status"] for i in items)),
            "deidentified": sum(i.get("deid_status") == "DEIDENTIFIED" for i in items),
            "refused": [{"file": i["source"], "reason": i.get("deid_reason", "")} for i in refused],
            "quarantined": [{"file": i["source"], "reason": i["reason_code"]} for i in quarantined],
            "modalities": dict(Counter(i["modality"] for i in items if i.get("modality"))),
        }
        tell(f"{self.facts['ingestion']['deidentified']} de-identified, {len(refused)} kept out of the research zone")
        return items

    def _look_at_frame(self, items: list[dict[str, Any]]) -> None:
        # one of the cohort: among the real files are CTs that the archive keeps in a lossy form, which is no HTJ2K
        item = next(i for i in items if i["status"] == "IMPORTED" and i["source"].startswith("cohort/"))
        self.facts["frame"] = report.frame_of(self.cloud, item)
        tell("{rows} x {columns}, {bytes} bytes of HTJ2K, {ratio:.1f} : 1 against raw".format(**self.facts["frame"]))

    def _verify(self, items: list[dict[str, Any]]) -> str:
        findings = read_findings(items)
        if self.shuffle_labels:
            values = list(findings.values())
            random.Random(self.seed).shuffle(values)  # noqa: S311  (a fixed order, not a secret)
            findings = dict(zip(findings, values, strict=True))
            tell("labels are SHUFFLED on purpose: the gate has to refuse what comes of them")
        self._assign(items, findings)
        before = self._executions()
        ticker = Ticker()
        for number, (study, finding) in enumerate(findings.items(), 1):
            body = {"finding": finding, "certainty": "definite", "notes": "made by the demo"}
            self.api.post(f"/studies/{study}/labels", body)
            ticker.show(f"{number} of {len(findings)} studies verified")
        ticker.end(f"{len(findings)} studies verified: {dict(Counter(findings.values()))}")
        self.facts["verified"] = dict(Counter(findings.values()))
        started = wait_for(
            "The start of the pipeline by ImageVerified", lambda: self._new_execution(before), seconds=180
        )
        tell(f"ImageVerified started {started.rsplit('/', 1)[1]}")
        return started

    def _assign(self, items: list[dict[str, Any]], studies: Container[str]) -> None:
        """Let the readers see the patients of these studies."""
        cohort = {item["patient_key"] for item in items if item.get("study_key", "") in studies}
        for reader in self.readers:
            assign(self.admin, reader, cohort)
        tell(f"an administrator assigned {len(cohort)} patients to each of {len(self.readers)} readers")

    def _executions(self) -> set[str]:
        listed = self.cloud.client("sagemaker").list_pipeline_executions(PipelineName=self.out["pipeline_name"])
        return {e["PipelineExecutionArn"] for e in listed["PipelineExecutionSummaries"]}

    def _new_execution(self, before: set[str]) -> str | None:
        return next(iter(self._executions() - before), None)

    def _train(self, execution: str) -> dict[str, Any]:
        described = watch_pipeline(self.cloud, execution, tell, seconds=900)
        self.facts["pipeline"] = report.pipeline_of(self.cloud, execution, described)
        self.facts["evaluation"] = report.evaluation_of(self.cloud, self.out["preprocessed_bucket"], execution)
        return described

    def _deploy(self, execution: str) -> None:
        package = report.package_of(self.cloud, execution)
        sagemaker = self.cloud.client("sagemaker")

        def approved() -> dict[str, Any] | None:
            found = sagemaker.describe_model_package(ModelPackageName=package)
            return found if found["ModelApprovalStatus"] == "Approved" else None

        model = wait_for("The approval after an independent evaluation", approved, seconds=180)
        tell(f"version {model['ModelPackageVersion']} approved: {model.get('ApprovalDescription', '')}")
        metrics = self.cloud.resource("dynamodb").Table(self.out["metrics_table"]).scan(ConsistentRead=True)["Items"]
        self.facts["model"] = {"package": package, "version": model["ModelPackageVersion"]}
        self.facts["independent"] = report.newest(metrics)

        def in_service() -> str | None:
            try:
                status = sagemaker.describe_endpoint(EndpointName=self.out["endpoint_name"])["EndpointStatus"]
            except sagemaker.exceptions.ClientError:
                return None
            if status == "Failed":
                raise GaveUpError("The endpoint failed: look into the log group /aws/sagemaker/Endpoints")
            return status if status == "InService" else None

        wait_for("The endpoint in service", in_service, seconds=180)
        tell(f"endpoint {self.out['endpoint_name']} is InService")

    def _infer(self, items: list[dict[str, Any]]) -> None:
        item = next(i for i in items if i.get("processed_key") and i.get("modality") == "CT")
        bucket = self.out["preprocessed_bucket"]
        content = self.cloud.client("s3").get_object(Bucket=bucket, Key=item["processed_key"])["Body"].read()
        answer = self.cloud.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.out["endpoint_name"],
            ContentType="application/dicom",
            Accept="application/json",
            Body=content,
        )
        self.facts["inference"] = {"answer": json.loads(answer["Body"].read()), "expected": item.get("finding", "")}
        tell(f"answer {self.facts['inference']['answer']}, the cohort says {item.get('finding', 'nothing')}")
        study = next(iter(read_findings(items)))
        self.facts["prediction"] = said = self.api.get(f"/studies/{study}/prediction")
        tell(f"of a study that she has read, the radiologist is told: {said['finding']}, {said['probability']}")

    def _refused(self, description: dict[str, Any]) -> None:
        tell(description.get("FailureReason", "no reason given"))
        self.facts["refused"] = description.get("FailureReason", "")
        self.facts["alerts"] = wait_for(
            "The message to a human", lambda: report.alerts(self.cloud, self.out) or None, seconds=60
        )
        for text in self.facts["alerts"]:
            tell(f"told a human: {text[:160]}")

    def _summary(self, page: Path) -> None:
        table = Table(title="What happened", show_header=False)
        for name, value in report.rows(self.facts):
            table.add_row(name, value)
        console.print(table)
        console.print(f"Report:   {page}")
        console.print("Outputs:  make outputs      Remove all: make down")


def make_sample(patients: int, slices: int, seed: int) -> list[Path]:
    """Files of the cohort, of the pydicom package and hostile ones; made once per choice of numbers."""
    stamp = SAMPLE / "made-with.json"
    choice = {"patients": patients, "slices": slices, "seed": seed, "finding_mm2": FINDING_MM2}
    whole = stamp.exists() and (SAMPLE / "cohort" / "labels.csv").exists()
    if not whole or json.loads(stamp.read_text()) != choice:
        shutil.rmtree(SAMPLE, ignore_errors=True)  # a smaller cohort would keep images of the larger one
        command = [str(PROJECT_PYTHON), "-m", "local.cohort", "--out", str(SAMPLE / "cohort"), "--cache", str(CACHE)]
        command += ["--patients", str(patients), "--slices-per-patient", str(slices), "--seed", str(seed)]
        # lobar pneumonia: what a small network can learn from some sixty patients within a minute
        command += ["--finding-mm2", str(choice["finding_mm2"])]
        command += ["--hostile", str(SAMPLE / "hostile"), "--pydicom-files", str(SAMPLE / "pydicom")]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise GaveUpError("The sample could not be made; the lines above say why.")
        stamp.write_text(json.dumps(choice))
    notes = {".csv", ".json", ".txt"}  # labels and credits; among the hostile files everything is sent
    files = sorted(
        p for p in SAMPLE.rglob("*") if p.is_file() and (p.parent.name == "hostile" or p.suffix not in notes)
    )
    kinds: dict[str, int] = defaultdict(int)
    for path in files:
        kinds[path.relative_to(SAMPLE).parts[0]] += 1
    tell(", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    return files


def read_findings(items: list[dict[str, Any]]) -> dict[str, str]:
    """study_key -> finding of the cohort's imported and de-identified studies: what the simulated reader sees."""
    labels: dict[str, Any] = json.loads((SAMPLE / "cohort" / "labels.json").read_text())
    by_file = report.findings_by_file(labels)
    findings: dict[str, str] = {}
    for item in items:
        finding = by_file.get(item["source"])
        if finding and item["status"] == "IMPORTED" and item.get("deid_status") == "DEIDENTIFIED":
            item["finding"] = finding
            findings[item["study_key"]] = finding
    return findings


def outputs(stack: LocalStack) -> dict[str, Any]:
    """Stack outputs, demo users and the environment for other clients, for `make outputs`."""
    return {
        **stack.outputs(),
        "viewer_url": stack.viewer.url or "",
        "demo_users": kept_people(stack.run),
        "client_environment": stack.client_environment(),
    }


__all__ = ["Demo", "make_sample", "outputs", "tracking_items"]
