"""One file at a time through an idle local stack, by size, and where the seconds from its upload to its import go.

Two of the parts are waits that the platform chooses, not work: messages are collected before a workflow starts and
before an import, and a study is imported only when it has been quiet for a while, since every import costs a job. The
same file is PUT and read back as a plain object for comparison.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.workflow.files import STUDY_SIZE, Sample, SizeClass, write_file
from local.cloud import Cloud
from local.console import GaveUpError
from local.demo.upload import Upload
from local.demo.watch import FINAL, tracking_items

SIZES = (
    (SizeClass(name="512 x 512 x 16, 8 MB", side=512, frames=16), 2),
    (SizeClass(name="512 x 512 x 64, 34 MB", side=512, frames=64), 5),
    (SizeClass(name="512 x 512 x 256, 134 MB", side=512, frames=256), 15),
)
"""A file of each class of the platform's goals, and the goal in seconds."""
WARM = SizeClass(name="128 x 128, 32 KB", side=128, frames=1)
LONGEST_SECONDS = 180
LOOK_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time of one file went, seconds.

    Attributes:
        upload: the PUT through a presigned URL.
        event: until the workflow starts; the queue collects uploads for a while. Less than nothing where the event is
            quicker than the client's end of the PUT.
        workflow: validate, copy, de-identify, ask for the import.
        quiet: until the import job is accepted: the study has to be quiet, then quiet studies are collected.
        import_job: the archive's own work.
        record: until the tracking table says IMPORTED.
        plain: PUT and GET of the same file as a plain object.
    """

    upload: float
    event: float
    workflow: float
    quiet: float
    import_job: float
    record: float
    plain: float

    @property
    def work(self) -> float:
        """All but the two waits."""
        return self.whole - max(self.event, 0) - self.quiet

    @property
    def whole(self) -> float:
        """From the first byte sent to IMPORTED."""
        return self.upload + self.event + self.workflow + self.quiet + self.import_job + self.record


@dataclass(frozen=True, kw_only=True)
class IdleStack:
    """A stack that nothing else is sent to.

    Attributes:
        out: its outputs.
        folder: where files are written before they are sent.
        send: one file through a presigned URL.
        plain: seconds to PUT a file and read it back as a plain object.
    """

    cloud: Cloud
    out: dict[str, Any]
    folder: Path
    seed: int
    send: Callable[[Path], Upload]
    plain: Callable[[Sample], float]

    def one_by_one(self, rounds: int) -> list[dict[str, Any]]:
        """Medians by size class; a first, small file only warms the functions up.

        Raises:
            GaveUpError: a file was not imported.
        """
        runs: dict[str, list[Seconds]] = {kind.name: [] for kind, _ in SIZES}
        self._sent(0, WARM)
        for turn in range(rounds):
            for place, (kind, _) in enumerate(SIZES):
                study = 1 + turn * len(SIZES) + place
                runs[kind.name].append(self._sent(study * STUDY_SIZE, kind))
        return [_row(kind.name, goal, runs[kind.name]) for kind, goal in SIZES]

    def _sent(self, number: int, kind: SizeClass) -> Seconds:
        sample = Sample(write_file(self.folder, number, kind, self.seed), kind)
        plain = self.plain(sample)
        began = time.time()
        upload = self.send(sample.path)
        uploaded = time.time()
        sample.path.unlink()
        item = _imported(self.cloud, self.out["tracking_table"], f"upload/{upload.upload_id}.dcm")
        execution = _execution(self.cloud, self.out["state_machine_arn"], upload.upload_id)
        job = self.cloud.client("medical-imaging").get_dicom_import_job(
            datastoreId=item["datastore_id"], jobId=item["import_job_id"]
        )["jobProperties"]
        started, stopped = execution["startDate"].timestamp(), execution["stopDate"].timestamp()
        submitted, ended = job["submittedAt"].timestamp(), job["endedAt"].timestamp()
        return Seconds(
            upload=uploaded - began,
            event=started - uploaded,
            workflow=stopped - started,
            quiet=submitted - stopped,
            import_job=ended - submitted,
            record=datetime.fromisoformat(item["updated_at"]).timestamp() - ended,
            plain=plain,
        )


def _imported(cloud: Cloud, table: str, key: str) -> dict[str, Any]:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        for item in tracking_items(cloud, table, {key}):
            if item["status"] == "IMPORTED":
                return item
            if item["status"] in FINAL:
                raise GaveUpError(f"{key} ended {item['status']}")
        time.sleep(LOOK_SECONDS)
    raise GaveUpError(f"{key} was not imported within {LONGEST_SECONDS} s")


def _execution(cloud: Cloud, machine: str, upload_id: str) -> dict[str, Any]:
    """The run of the workflow that took the upload; it is among the newest, for nothing else is sent."""
    steps = cloud.client("stepfunctions")
    for listed in steps.list_executions(stateMachineArn=machine, maxResults=10)["executions"]:
        execution = steps.describe_execution(executionArn=listed["executionArn"])
        if upload_id in execution["input"] and "stopDate" in execution:
            return execution
    raise GaveUpError(f"no execution of the workflow names upload {upload_id}")


def _row(name: str, goal: int, runs: list[Seconds]) -> dict[str, Any]:
    middle = {
        part: statistics.median(getattr(run, part) for run in runs) for part in (*asdict(runs[0]), "work", "whole")
    }
    row = {part: round(seconds, 2) for part, seconds in middle.items()}
    ratio = round(middle["work"] / middle["plain"], 1)
    return {
        "files": name,
        "goal": goal,
        **row,
        "work_of_plain": ratio,
        "slowest_work": round(max(r.work for r in runs), 2),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The figures for people."""
    lines = ["medians in seconds; work is all but the two waits: event (messages are collected), quiet (of the study)"]
    for row in rows:
        parts = ", ".join(f"{part} {row[part]}" for part in Seconds.__dataclass_fields__)
        work = f"work {row['work']} (at most {row['slowest_work']}; goal {row['goal']})"
        lines.append(f"{row['files']}: whole {row['whole']}, {work}, {row['work_of_plain']} x plain; {parts}")
    return "\n".join(lines)
