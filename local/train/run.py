"""One cohort from its folder to the gate's decision, on the local stack."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.console import GaveUpError, Steps, Ticker, console, tell, wait_for
from local.demo import report
from local.demo.run import Demo
from local.train import fast
from local.train.labelled import LabelledStudy, read_cohort


@dataclass
class TrainCohort(Demo):
    """`make train COHORT=DIR`: the demo's way with somebody's own studies and labels.

    Attributes:
        quick: start at preprocess: no uploads, events, import or labels table (see local.train.fast).
    """

    quick: bool = False
    studies: list[LabelledStudy] = field(default_factory=list)

    def decide(self) -> dict[str, Any]:
        """Do it all; returns what programs want to know (see `answer`)."""
        steps = Steps(total=5 if self.quick else 7)
        self.facts["started"] = datetime.now(UTC).isoformat(timespec="seconds")
        with steps.step(f"Read the cohort in {self.root}"):
            self._read()
        with steps.step("Bring up the stack `local`"):
            self._up()
        if self.quick:
            with steps.step("Validate and de-identify into the research zone, freeze the snapshot"):
                execution = self._freeze()
        else:
            with steps.step("Sign in and upload through presigned URLs"):
                uploads = self._upload([path for study in self.studies for path in study.files])
            with steps.step("Ingestion: validate, quarantine, de-identify, import into HealthImaging"):
                items = self._ingest(uploads)
            with steps.step("Verify each study through the API, start the pipeline on these studies"):
                execution = self._label(items)
        with steps.step("The pipeline: preprocess, train, evaluate, gate, register"):
            described = self._train(execution)
        with steps.step("Decision and report"):
            self._decide(execution, described)
            self.facts["seconds"] = dict(steps.seconds)
            page = report.write(self.stack.run / "train-report", self.facts)
        return answer(self.facts, page)

    def _read(self) -> None:
        found = read_cohort(self.root)
        self.studies = [study for study in found if study.agreed]
        self.facts["not_agreed"] = len(found) - len(self.studies)
        counts = Counter(study.finding for study in self.studies)
        files = sum(len(study.files) for study in self.studies)
        tell(f"{len(self.studies)} studies, {files} files: {dict(counts)}")
        if self.facts["not_agreed"]:
            tell(f"{self.facts['not_agreed']} studies are left out: their readers differ, a third one must decide")
        if not self.studies:
            raise GaveUpError("No study is left on which its readers agree")
        self.facts["verified"] = dict(counts)
        self.facts["own_cohort"] = True

    def _freeze(self) -> str:
        ticker, files = Ticker(), sum(len(study.files) for study in self.studies)
        snapshot, refused = fast.freeze_cohort(
            self.cloud, self.out, self.studies, lambda done: ticker.show(f"{done} of {files} files")
        )
        images = files - sum(refused.values())
        ticker.end(f"{images} images of {snapshot.study_count} studies frozen; refused: {dict(refused) or 'none'}")
        self.facts["uploaded"] = {"files": files, "megabytes": 0}
        self.facts["ingestion"] = {"status": {}, "deidentified": images, "refused": [], "quarantined": []}
        if not snapshot.study_count:
            raise GaveUpError(f"No study has a usable image: refused {dict(refused)}, left out {_counted(snapshot)}")
        return fast.start(self.cloud, self.out, snapshot)

    def _label(self, items: list[dict[str, Any]]) -> str:
        """Post each study's label, then ask for a run on exactly these studies."""
        by_file = {path.relative_to(self.root).as_posix(): study for study in self.studies for path in study.files}
        keys: dict[str, LabelledStudy] = {}
        for item in items:
            if item["status"] == "IMPORTED" and item.get("deid_status") == "DEIDENTIFIED":
                item["finding"] = by_file[item["source"]].finding
                keys[item["study_key"]] = by_file[item["source"]]
        if not keys:
            raise GaveUpError("No study of the cohort was imported and de-identified: see the reasons above")
        self._assign(items, keys)
        ticker = Ticker()
        for number, (key, study) in enumerate(keys.items(), 1):
            body = {"finding": study.finding, "certainty": "definite", "notes": "labels.csv"}
            self.api.post(f"/studies/{key}/labels", body)
            ticker.show(f"{number} of {len(keys)} studies verified")
        ticker.end(f"{len(keys)} studies verified")
        request = {"operation": "start", "study_keys": sorted(keys)}
        return wait_for("The end of another training run", lambda: self._ask(request), seconds=900, every=3)

    def _ask(self, request: dict[str, Any]) -> str | None:
        called = self.cloud.client("lambda").invoke(
            FunctionName=self.out["pipeline_trigger_function"], Payload=json.dumps(request).encode()
        )
        said = json.loads(called["Payload"].read())
        if called.get("FunctionError") or said.get("decision") == "nothing-usable":
            raise GaveUpError(f"The pipeline could not be started: {said.get('errorMessage', said)}")
        if said["decision"] == "busy":
            return None
        tell(f"{said['studies']} studies frozen, {said['excluded_studies']} left out")
        return said["execution_arn"]

    def _decide(self, execution: str, described: dict[str, Any]) -> None:
        if described["PipelineExecutionStatus"] == "Succeeded":
            self._deploy(execution)
            tell("registered, confirmed by the independent evaluation, approved")
        else:
            self.facts["refused"] = described.get("FailureReason", "")
            tell(f"nothing registered: {self.facts['refused']}")


def answer(facts: dict[str, Any], page: Path) -> dict[str, Any]:
    """What a program wants to know.

    decision: "registered", "refused" by the gate, or "failed" (the run stopped before there was a figure to judge).
    """
    found = facts["evaluation"].get("report") or {}
    registered = facts["pipeline"]["status"] == "Succeeded"
    return {
        "decision": "registered" if registered else ("refused" if found else "failed"),
        "reason": "" if registered else facts.get("refused", ""),
        "metrics": {name: entry["value"] for name, entry in found.get("metrics", {}).items()},
        "intervals": {name: entry["interval"] for name, entry in found.get("metrics", {}).items()},
        "study_metrics": {name: entry["value"] for name, entry in found.get("study_metrics", {}).items()},
        "counts": found.get("counts", {}),
        "test_set": found.get("test_set", {}),
        "studies": facts["verified"],
        "readers_differ": facts["not_agreed"],
        "execution": facts["pipeline"]["execution"],
        "model_package": facts.get("model", {}).get("package"),
        "seconds": {name: round(seconds, 1) for name, seconds in facts["seconds"].items()},
        "report": str(page),
    }


def show(said: dict[str, Any]) -> None:
    """The same for people."""
    console.print(f"\n[bold]{said['decision']}[/] ", said["reason"], markup=True)
    for name, value in said["metrics"].items():
        low, high = said["intervals"][name]
        console.print(f"  {name:<28} {value}  [{low}, {high}]", markup=False)
    console.print(f"Report:   {said['report']}")


def _counted(snapshot: Any) -> dict[str, int]:
    return dict(Counter(snapshot.excluded.values()))
