"""Configuration of the model's life: training, registry, and the container images that run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components._configuration_base import Group, HttpsUrl, ImageByDigest, InstanceType, S3Uri, Schedule, refusal


class TrainingSettings(Group):
    """The model, how it is trained and when."""

    backbone: Literal["resnet50", "mobilenet_v3_small", "small_cnn"] = "resnet50"
    """Network in front of the classifier; small_cnn is for machines without a GPU."""
    image_size: int = Field(default=512, ge=32, le=1024, multiple_of=32)
    """Edge of the square model input, pixels."""
    epochs: int = Field(default=50, ge=1, le=1000)
    """Passes over the training data at most; early stopping ends sooner."""
    batch_size: int = Field(default=32, ge=1, le=1024)
    """Images a step, of all GPUs and machines together: their number changes the time, not what a step is."""
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Of the Adam optimiser while the head is trained."""
    early_stopping_patience: int = Field(default=5, ge=1, le=100)
    """Epochs without a better validation loss before training stops."""
    test_share: float = Field(default=0.2, ge=0.05, le=0.5)
    """Share of all patients that only the evaluation sees."""
    validation_share: float = Field(default=0.2, ge=0.05, le=0.5)
    """Share of all patients that early stopping and calibration look at."""
    augmentation: Literal["none", "light", "standard"] = "standard"
    """How much training images are shifted, turned and scaled."""
    precision: Literal["auto", "float32", "mixed_float16"] = "auto"
    """Arithmetic of the training; auto: mixed_float16 on GPUs with tensor cores. Models are served in float32."""
    accuracy_threshold: float = Field(default=0.85, ge=0, le=1)
    """Accuracy on the test patients under which nothing is registered and a person is told."""
    accuracy_lower_bound: float = Field(default=0.0, ge=0, le=1)
    """Smallest lower end of the accuracy's 95 % interval by patient; 0: not asked for."""
    subgroup_floor: float = Field(default=0.0, ge=0, le=1)
    """Smallest accuracy of any group of five patients or more (scanner, sex, age); 0: not asked for."""
    champion_margin: float = Field(default=0.02, ge=0, le=1)
    """By how much a new model may fall behind the one in service on the same patients."""
    locked_test_set: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,40}$")
    """Lock of the change control plan whose patients and pixels every model is judged on; null: drawn by the split."""
    seed: int = Field(default=20_260_101, ge=0, le=2**31 - 1)
    """Of the split, the augmentation and the weights."""
    min_new_labels: int = Field(default=100, ge=1, le=1_000_000)
    """Verified studies since the last training that start the next one."""
    label_quiet_seconds: int = Field(default=300, ge=0, le=900)
    """Time without a new label before that start, seconds: a session of reading becomes one training."""
    weights_uri: S3Uri | None = None
    """Staged ImageNet weights; absent: every layer starts from random weights."""
    training_instance_type: InstanceType = "ml.g4dn.xlarge"
    """Machine of the training job."""
    training_instances: int = Field(default=1, ge=1, le=20)
    """Machines that train together. One uses all of its GPUs; several have one GPU each, or none."""
    training_usd_per_hour: float = Field(default=0.7364, ge=0, le=1000)
    """Price of that machine on demand, USD an hour: the dashboard's cost of a training. By AWS's price list."""
    processing_instance_type: InstanceType = "ml.m5.2xlarge"
    """Machine of the preprocessing and evaluation jobs."""
    volume_size_gb: int = Field(default=100, ge=1, le=16_384)
    """Disk of each job, GiB."""
    use_spot: bool = True
    """Spare capacity at a lower price; checkpoints make an interruption cost minutes."""
    max_runtime_seconds: int = Field(default=43_200, ge=60, le=432_000)
    """Time that a job may run, seconds."""
    max_wait_seconds: int = Field(default=86_400, ge=60, le=864_000)
    """Time that a Spot job may wait and run, seconds."""
    package_index_url: HttpsUrl | None = None
    """Package index inside the VPC for images that lack a package; absent: the images must have all of them."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.test_share + self.validation_share > 0.6:
            raise refusal("validationShare", self.validation_share, "leave 40 % for training beside testShare")
        if self.weights_uri is not None and self.backbone == "small_cnn":
            raise refusal("weightsUri", self.weights_uri, "be absent: small_cnn has no ImageNet weights")
        if self.batch_size < self.training_instances:
            raise refusal(
                "trainingInstances", self.training_instances, "be at most batchSize: each takes its rows of it"
            )
        if self.use_spot and self.max_wait_seconds < self.max_runtime_seconds:
            raise refusal(
                "maxWaitSeconds", self.max_wait_seconds, "be at least maxRuntimeSeconds where useSpot is true"
            )
        return self


class DriftSettings(Group):
    """When the model in service, and the images it is asked about, no longer look as when it was judged."""

    schedule: Schedule = "rate(1 day)"
    """When the endpoint's captured answers are compared with the model's baseline (UTC)."""
    window_hours: int = Field(default=24, ge=1, le=24 * 31)
    """How far back the check looks, hours."""
    min_images: int = Field(default=50, ge=2, le=5000)
    """Answers in the window under which nothing is concluded."""
    psi: float = Field(default=0.25, gt=0, le=10)
    """Population stability index from which a figure's change matters; by convention 0.1 is small and 0.25 large."""
    significance: float = Field(default=0.01, gt=0, le=0.2)
    """Chance of a false alarm that one whole check may have."""
    retrains: bool = False
    """A drift asks for a training as soon as one label is new, whatever training.minNewLabels says."""


class TrialSettings(Group):
    """A trial of a new model beside the one in service, each on its share of the requests, judged by the readers."""

    schedule: Schedule = "rate(1 day)"
    """When the answers of a trial are compared with what the readers found (UTC)."""
    challenger_percent: int = Field(default=30, ge=1, le=99)
    """Requests that the challenger answers, percent."""
    alpha: float = Field(default=0.05, gt=0, le=0.2)
    """Chance of promoting a challenger that is not better, and of taking back one that is not worse, however often one
    looks."""
    max_studies: int = Field(default=2000, ge=20, le=100_000)
    """Studies with a verified label after which a trial without a decision ends; the champion stays."""


class DeploymentSettings(Group):
    """How the endpoint moves from one version to the next: blue and green, taken back by alarms."""

    traffic: Literal["ALL_AT_ONCE", "CANARY"] = "ALL_AT_ONCE"
    """Whether the new version first answers a share of the requests; a canary needs two instances."""
    canary_percent: int = Field(default=50, ge=1, le=50)
    """Share of the new version's instances that answer first, percent; half at most, by SageMaker's rule."""
    bake_seconds: int = Field(default=300, ge=180, le=3600)
    """How long the alarms watch each shift of traffic, seconds; they need two full minutes to sound."""
    termination_wait_seconds: int = Field(default=0, ge=0, le=3600)
    """How much longer the old servers stay after that, seconds."""
    maximum_seconds: int = Field(default=3600, ge=600, le=28_800)
    """Time that a whole update may take, seconds; one that takes longer is undone."""

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        shifts = 2 if self.traffic == "CANARY" else 1
        if self.maximum_seconds <= shifts * self.bake_seconds + self.termination_wait_seconds:
            raise refusal("maximumSeconds", self.maximum_seconds, "be more than its waits together")
        return self


class ScalingSettings(Group):
    """How the number of the endpoint's machines follows its requests: target tracking, `inferenceInstances` at least.

    To end it, give `maxInstances` the number of `inferenceInstances` and deploy a version: without this group nobody
    looks at the scaling that an endpoint has.
    """

    max_instances: int = Field(ge=1, le=100)
    """Machines at most, of each variant."""
    invocations_per_instance: int = Field(default=120, ge=1, le=100_000)
    """Requests a minute and machine that are aimed at; half of what one machine was seen to answer leaves room."""
    scale_out_seconds: int = Field(default=300, ge=0, le=3600)
    """Rest after a step up, seconds; a new machine needs minutes to load the model."""
    scale_in_seconds: int = Field(default=600, ge=0, le=3600)
    """Rest after a step down, seconds."""
    service_role: bool = True
    """Makes the service-linked role that scales endpoints; false where the account has it already."""


class RegistrySettings(Group):
    """Who lets a model into service, and the endpoint that serves it."""

    auto_approve: bool = False
    """A model that passes is approved without a person."""
    auto_deploy: bool = False
    """An approved model is deployed without another click."""
    max_disagreement: float = Field(default=0.02, ge=0, le=1)
    """Largest difference between the pipeline's accuracy and the independent one."""
    inference_instance_type: InstanceType = "ml.m5.xlarge"
    """Machine of the endpoint."""
    inference_instances: int = Field(default=1, ge=1, le=20)
    """Machines of a variant, with `scaling` the fewest; from two on they stand in more than one availability zone."""
    data_capture_percent: int = Field(default=100, ge=0, le=100)
    """Requests that are kept for the drift monitor, percent."""
    drift: DriftSettings = DriftSettings()
    """The drift monitor."""
    trial: TrialSettings = TrialSettings()
    """Trials of two models on one endpoint."""
    deployment: DeploymentSettings = DeploymentSettings()
    """How the endpoint moves from one version to the next."""
    scaling: ScalingSettings | None = None
    """How the number of machines follows the requests; absent: it does not."""

    @model_validator(mode="after")
    def _scales_upwards(self) -> Self:
        if self.scaling is not None and self.scaling.max_instances < self.inference_instances:
            raise refusal(
                "scaling.maxInstances", self.scaling.max_instances, "be inferenceInstances or more: it is the smallest"
            )
        return self

    @model_validator(mode="after")
    def _has_a_canary_to_spare(self) -> Self:
        if self.deployment.traffic == "CANARY" and self.inference_instances < 2:
            raise refusal(
                "inferenceInstances", self.inference_instances, "be 2 or more: a canary is half of them at most"
            )
        return self


class ContainerSettings(Group):
    """The image repositories, and which image runs: by digest, built once and promoted from stack to stack.

    A digest alone means the stack's own repository of that name. Absent: the AWS deep-learning container that belongs
    to the training code, for the four jobs of the model; no container, for the three services.
    """

    preprocessing: ImageByDigest | None = None
    """Image of the step Preprocess."""
    training: ImageByDigest | None = None
    """Image of the step Train."""
    evaluation: ImageByDigest | None = None
    """Image of the step Evaluate."""
    inference: ImageByDigest | None = None
    """Image that serves a registered model."""
    api: ImageByDigest | None = None
    """Image of the radiologist API outside Lambda."""
    store_scp: ImageByDigest | None = None
    """Image of the DICOM receiver."""
    frame_proxy: ImageByDigest | None = None
    """Image of the frame proxy."""
    enhanced_scanning: bool = False
    """Amazon Inspector scans the images again whenever it learns of a vulnerability; a setting of the whole registry,
    so of one stack an account and region. Otherwise each image is scanned once, when it is pushed."""
    keep_images: int = Field(default=100, ge=10, le=1000)
    """Tagged images that a repository keeps, newest first; a running image must be among them."""
    untagged_days: int = Field(default=14, ge=1, le=365)
    """Days after which an image without a tag is removed."""
