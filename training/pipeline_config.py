"""What one stack says about its training pipeline: a frozen value, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass

from training.names import AUGMENTATIONS, BACKBONES, PRECISIONS

APPROVAL_STATES = ("PendingManualApproval", "Approved", "Rejected")
# Families whose scratch disk is local NVMe, encrypted in hardware: SageMaker refuses VolumeKmsKeyId for them
# (API reference, ResourceConfig.VolumeKmsKeyId).
_INSTANCE_STORAGE_FAMILIES = frozenset(
    {"g4dn", "g5", "g6", "g6e", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "trn1", "trn1n", "trn2"}
    | {"m5d", "c5d", "r5d"}
)


class PipelineConfigError(ValueError):
    """A field of PipelineConfig that SageMaker or the scripts would refuse; the sentence names the field."""


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Everything `definition.build` needs; strings may be sentinels that `definition.substitute` fills in later.

    Attributes:
        pipeline_name: physical name of the pipeline.
        role_arn: the role of every job (read the research zone, write runs and models; nothing of the PHI zone).
        preprocessed_bucket: bucket of snapshots and `runs/<execution id>/...`.
        model_artifacts_bucket: bucket of `models/` and `checkpoints/<execution id>/`.
        code_uri: S3 prefix of this code version; holds sourcedir.tar.gz and bootstrap.py.
        code_sha256: hex digest of the archive (training.package.SourcePackage.sha256).
        subnet_ids, security_group_ids: VPC of the jobs; both empty = no VpcConfig.
        training_volume_gb, processing_volume_gb: job disk, GiB.
        max_runtime_seconds, max_wait_seconds: training limits; the wait counts only with Spot.
        training_instance_count: machines that train together, each on its rows of a batch (training.cluster).
        image_size: edge of the square model input, pixels.
        patience: epochs without a better validation loss before training stops.
        precision: arithmetic of the training (training.precision); auto = mixed float16 on GPUs with tensor cores.
        weights_uri: S3 URI of staged ImageNet weights (Keras "notop" file) for resnet50 or mobilenet_v3_small.
        accuracy_lower_bound, subgroup_floor, champion_margin: see training.gate.Limits.
        test_fraction, validation_fraction: shares of all patients; the rest trains.
        cache_expire_after: ISO-8601 duration of step caching, None = off. Outputs lie under the execution id, which is
            part of the cache key, so a hit needs a retry of the very same execution: off by default.
        locked_test_set: name of a lock in the change control plan; None = the split draws the test patients.
        package_index_url: index for the containers' `pip install` (a private mirror inside the VPC); None = pip's own.
    """

    pipeline_name: str
    region: str
    role_arn: str
    preprocessed_bucket: str
    model_artifacts_bucket: str
    code_uri: str
    code_sha256: str
    model_package_group: str
    model_registry_function_arn: str
    training_image: str | None = None
    processing_image: str | None = None
    evaluation_image: str | None = None
    inference_image: str | None = None
    training_instance_type: str = "ml.g5.xlarge"
    training_instance_count: int = 1
    processing_instance_type: str = "ml.m5.2xlarge"
    inference_instance_types: tuple[str, ...] = ("ml.m5.xlarge", "ml.g5.xlarge")
    spot: bool = True
    max_runtime_seconds: int = 4 * 3600
    max_wait_seconds: int = 8 * 3600
    training_volume_gb: int = 100
    processing_volume_gb: int = 100
    volume_kms_key: str | None = None
    output_kms_key: str | None = None
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    encrypt_inter_container_traffic: bool = True
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int = 5
    image_size: int = 512
    backbone: str = "resnet50"
    weights_uri: str | None = None
    augmentation: str = "standard"
    precision: str = "auto"
    accuracy_threshold: float = 0.85
    accuracy_lower_bound: float = 0.0
    subgroup_floor: float = 0.0
    champion_margin: float = 0.02
    test_fraction: float = 0.2
    validation_fraction: float = 0.2
    seed: int = 20250101
    approval_status: str = "PendingManualApproval"
    commit: str = "unknown"
    cache_expire_after: str | None = None
    retry_attempts: int = 5
    package_index_url: str | None = None
    locked_test_set: str | None = None

    def __post_init__(self) -> None:
        """Refuse values before SageMaker would, in sentences that name the field."""
        self._check_choice("backbone", self.backbone, BACKBONES)
        self._check_choice("augmentation", self.augmentation, AUGMENTATIONS)
        self._check_choice("precision", self.precision, PRECISIONS)
        self._check_choice("approval_status", self.approval_status, APPROVAL_STATES)
        self._check_range("accuracy_threshold", self.accuracy_threshold, 0.0, 1.0)
        self._check_range("accuracy_lower_bound", self.accuracy_lower_bound, 0.0, 1.0)
        self._check_range("subgroup_floor", self.subgroup_floor, 0.0, 1.0)
        self._check_range("champion_margin", self.champion_margin, 0.0, 1.0)
        self._check_range("test_fraction", self.test_fraction, 0.05, 0.5)
        self._check_range("validation_fraction", self.validation_fraction, 0.05, 0.5)
        self._check_range("image_size", self.image_size, 32, 1024)
        self._check_range("epochs", self.epochs, 1, 1000)
        self._check_range("batch_size", self.batch_size, 1, 4096)
        self._check_range("learning_rate", self.learning_rate, 1e-7, 1.0)
        self._check_range("patience", self.patience, 1, 1000)
        self._check_range("retry_attempts", self.retry_attempts, 1, 20)  # the service's own limit
        self._check_range("training_instance_count", self.training_instance_count, 1, min(20, self.batch_size))
        if self.test_fraction + self.validation_fraction > 0.6:
            raise PipelineConfigError("test_fraction + validation_fraction leaves under 40 % for training")
        if bool(self.subnet_ids) != bool(self.security_group_ids):
            raise PipelineConfigError("subnet_ids and security_group_ids belong together: give both or neither")
        if self.spot and self.max_wait_seconds < self.max_runtime_seconds:
            raise PipelineConfigError("max_wait_seconds must be at least max_runtime_seconds when spot is on")
        if self.weights_uri is not None and self.backbone == "small_cnn":
            raise PipelineConfigError("weights_uri is of no use to backbone small_cnn: it has no ImageNet weights")

    @staticmethod
    def _check_choice(field: str, value: str, allowed: tuple[str, ...]) -> None:
        if value not in allowed:
            raise PipelineConfigError(f"{field} is {value!r}; it must be one of {', '.join(allowed)}")

    @staticmethod
    def _check_range(field: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise PipelineConfigError(f"{field} is {value}; it must lie between {low} and {high}")

    def volume_key_for(self, instance_type: str) -> str | None:
        """The volume key, or None where the instance's disk is local NVMe and SageMaker refuses a key."""
        family = instance_type.removeprefix("ml.").split(".", 1)[0]
        return None if family in _INSTANCE_STORAGE_FAMILIES else self.volume_kms_key
