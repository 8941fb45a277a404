"""How much a stack is used: what no program can say. Files under cost/usage, one a case, checked by this schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

FOLDER: Final = Path(__file__).with_name("usage")
DAYS_A_MONTH: Final = 365 / 12
HOURS_A_MONTH: Final = 730.0
"""What AWS's own calculator takes for a month."""

Count = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class PerFile(_Model):
    """What one DICOM file makes the ingestion do.

    The numbers of states and function calls follow the state machine (tests/contract/test_cost.py holds them
    together); the others were counted in the code by hand and are estimates.
    """

    transitions: Count = Field(default=5, description="Steps of the state machine on the good path.")
    function_calls: Count = Field(default=3, description="Calls of ImageIngestion by the state machine.")
    function_seconds: Count = Field(default=0.5, description="Seconds of one of these calls, cold starts spread.")
    object_writes: Count = Field(default=4, description="Upload, validated copy, de-identified copy, import copy.")
    object_reads: Count = Field(default=5, description="Reads of these by functions and by the import.")
    lasting_copies: Count = Field(default=3, description="Copies that stay: upload, validated, de-identified.")
    table_writes: Count = Field(default=6, description="Writes to the tracking table; every index adds one.")
    table_reads: Count = Field(default=6, description="Reads of the tracking table.")
    queue_requests: Count = Field(default=5, description="Send, receive and delete on both queues, batches spread.")
    key_requests: Count = Field(default=8, description="KMS calls left over by bucket keys and data key caches.")
    audited_calls: Count = Field(default=30, description="Data events of S3, DynamoDB, Lambda and HealthImaging.")
    log_kilobytes: Count = Field(default=6, description="Function and workflow logs.")


class Usage(_Model):
    """A month of work."""

    about: str = Field(description="Whom this usage describes.")
    scans_per_day: Count = Field(description="Studies that arrive, every day of the year.")
    megabytes_per_scan: Count = Field(description="Size of a study as the scanner sends it, 10^6 bytes.")
    files_per_scan: Annotated[float, Field(ge=1)] = Field(description="DICOM files of a study.")
    stored_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.341, description="HTJ2K against uncompressed, measured: python -m bench.storage."
    )
    months_in_operation: Annotated[int, Field(ge=1)] = Field(
        default=12, description="Which month's bill: storage has grown that long."
    )
    retention_months: Annotated[int, Field(ge=1)] = Field(default=84, description="After that data is deleted.")
    rereads_percent: Percent = Field(default=3, description="Older studies that are opened again in a month.")

    readers: Count = Field(description="People who sign in within a month.")
    studies_per_reader_per_day: Count = Field(description="Studies that a reader opens, every day of the year.")
    frames_per_study: Count = Field(default=500, description="Image frames that a reading fetches.")
    calls_per_study: Count = Field(default=12, description="API calls of a reading.")
    megabytes_per_reading: Count = Field(default=90, description="What a reading sends to the browser.")

    trainings_per_month: Count = Field(description="Executions of the training pipeline.")
    training_hours: Count = Field(description="Billed hours of the training job of one execution.")
    processing_hours: Count = Field(description="Billed hours of its processing jobs together.")
    dataset_gb: Count = Field(default=10, description="Preprocessed data that one execution writes and keeps.")
    model_gb: Count = Field(default=0.5, description="Model, checkpoints and reports of one execution.")
    endpoint_hours: Count = Field(default=HOURS_A_MONTH, description="Hours a month in which a model serves.")

    management_events: Count = Field(default=400_000, description="AWS management events in the account a month.")
    config_items: Count = Field(default=3_000, description="Configuration items that AWS Config records a month.")
    rule_evaluations: Count = Field(default=60, description="Evaluations of one Config rule a month.")
    flow_log_gb: Count = Field(default=20, description="VPC flow logs a month.")
    nat_gb: Count = Field(default=5, description="Through NAT gateways a month.")
    custom_metrics: Count = Field(default=60, description="Metrics that the platform publishes itself.")
    emails: Count = Field(default=200, description="Messages of alarms and decisions a month.")
    image_pushes: Count = Field(default=4, description="Images pushed to one repository a month.")
    image_rescans: Count = Field(default=30, description="Rescans of the images of one repository a month.")
    image_gb: Count = Field(default=3, description="Container images kept in one repository.")
    spot_percent: Percent = Field(default=70, description="What Spot takes off a training hour: an assumption.")
    savings_plan_percent: Percent = Field(default=25, description="What a plan takes off compute: an assumption.")
    per_file: PerFile = PerFile()

    @property
    def scans(self) -> float:
        """Studies a month."""
        return self.scans_per_day * DAYS_A_MONTH

    @property
    def files(self) -> float:
        """DICOM files a month."""
        return self.scans * self.files_per_scan

    @property
    def scan_gb(self) -> float:
        """What arrives a month, 10^9 bytes."""
        return self.scans * self.megabytes_per_scan / 1_000

    @property
    def readings(self) -> float:
        """Studies opened a month."""
        return self.readers * self.studies_per_reader_per_day * DAYS_A_MONTH

    @property
    def months_kept(self) -> int:
        """Months of data that are there in the billed month."""
        return min(self.months_in_operation, self.retention_months)


def usage_names() -> list[str]:
    """The cases that the checkout has."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_usage(name_or_path: str) -> Usage:
    """A case by name, or a file. Raises FileNotFoundError, or pydantic's ValidationError with every wrong key."""
    path = Path(name_or_path)
    if not path.suffix:
        path = FOLDER / f"{name_or_path}.yaml"
    return Usage.model_validate(yaml.safe_load(path.read_text()))
