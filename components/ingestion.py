"""The way in: upload -> queue -> Step Functions -> validated, de-identified, queued -> HealthImaging import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components import event_patterns, ingestion_function
from components._base import PlatformComponent
from components._queues import Redrive, Senders, encrypted_queue
from components._rules import Rule, Transformer, event_rule, event_target, function_target, rule_arn
from components._workload import Workload, platform_function
from components.function import FunctionSize, PlatformFunction
from components.ingestion_function import IngestionLimits, IngestionStores
from components.ingestion_machine import Kind, backfill_machine, ingestion_machine, machine_arn

UPLOADED_RULE: Final = "dicom-uploaded"
FINISHED_RULE: Final = "import-finished"

MAX_RECEIVES: Final = 5


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How many messages one invocation takes and for how many seconds Lambda waits for so many."""

    size: int
    window_seconds: int


UPLOADS: Final = Batching(size=100, window_seconds=1)
"""One execution for up to a hundred uploads of a burst; a single file waits a second at most."""
IMPORTS: Final = Batching(size=50, window_seconds=5)
"""Studies that became quiet together go into one job; against the quiet time five seconds do not count."""
VISIBILITY_FACTOR: Final = 6
"""AWS's advice: a message stays hidden for six times the function's timeout, so that tries never overlap.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""


@dataclass(frozen=True, kw_only=True)
class IngestionWorkflowArgs:
    """What ingestion needs.

    Attributes:
        size: Of ImageIngestion.
        max_concurrency: Objects of one execution in work at the same time.
        kind: Of the state machine; an EXPRESS one takes one object an execution, so that five minutes are enough.
        backfill_concurrency: Objects that a back-fill works on at the same time.
    """

    workload: Workload
    stores: IngestionStores
    limits: IngestionLimits
    size: FunctionSize
    max_concurrency: int
    kind: Kind
    backfill_concurrency: int


class IngestionWorkflow(PlatformComponent):
    """State machines `ingestion` and `backfill`, function, queues with dead letters, and the rules that feed them.

    Guarantees: an upload event is delivered at least once or kept as a dead letter; the state machine ends every
    object in a recorded state; no header or pixel value is in its history, its logs or its messages.
    """

    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    state_machine_arn: pulumi.Output[str]
    import_queue_url: pulumi.Output[str]
    import_queue_arn: pulumi.Output[str]
    dead_letters_arn: pulumi.Output[str]

    def __init__(self, name: str, args: IngestionWorkflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:ingestion:IngestionWorkflow", name, opts)
        self._args = args
        self._context = args.workload.context
        self._tags = self._context.tags_for("ingestion", "phi")

        dead_letters = self._build_dead_letters(name)
        imports = self._build_queue(f"{name}-import", ingestion_function.QUEUE_ROLE, IMPORTS, dead_letters)
        uploads = self._build_queue(
            f"{name}-upload", ingestion_function.UPLOAD_QUEUE_ROLE, UPLOADS, dead_letters, rule=UPLOADED_RULE
        )
        function = self._build_function(name, imports, uploads)
        machine = ingestion_machine(
            f"{name}-machine",
            workload=args.workload,
            function_arn=function.function_arn,
            max_concurrency=args.max_concurrency,
            kind=args.kind,
            tags=self._tags,
            parent=self,
        )
        backfill_machine(
            f"{name}-backfill",
            workload=args.workload,
            function_arn=function.function_arn,
            bucket=args.stores.training_data_bucket,
            max_concurrency=args.backfill_concurrency,
            tags=self._tags,
            parent=self,
        )
        self._build_upload_rule(name, uploads, dead_letters)
        self._build_finished_rule(name, function, dead_letters)

        self.function_name = function.function_name
        self.function_arn = function.function_arn
        self.state_machine_arn = machine.arn
        self.import_queue_url = imports.url
        self.import_queue_arn = imports.arn
        self.dead_letters_arn = dead_letters.arn
        self.register_outputs(
            {
                "function_name": self.function_name,
                "function_arn": self.function_arn,
                "state_machine_arn": self.state_machine_arn,
                "import_queue_url": self.import_queue_url,
                "import_queue_arn": self.import_queue_arn,
                "dead_letters_arn": self.dead_letters_arn,
            }
        )

    def _build_dead_letters(self, name: str) -> aws.sqs.Queue:
        """Undeliverable events and import messages; both hold references and pseudonyms only."""
        rules = [rule_arn(self._context, UPLOADED_RULE), rule_arn(self._context, FINISHED_RULE)]
        return encrypted_queue(
            f"{name}-dead-letters",
            context=self._context,
            role="ingestion-dlq",
            key_arn=self._args.workload.keys.events,
            tags=self._tags,
            senders=[Senders(sid="FromIngestionRules", service="events.amazonaws.com", source_arns=rules)],
            opts=self.child(),
        )

    def _build_queue(
        self, logical_name: str, role: str, batching: Batching, dead_letters: aws.sqs.Queue, rule: str | None = None
    ) -> aws.sqs.Queue:
        senders = [
            Senders(sid="FromTheRule", service="events.amazonaws.com", source_arns=[rule_arn(self._context, name)])
            for name in (rule,)
            if name
        ]
        return encrypted_queue(
            logical_name,
            context=self._context,
            role=role,
            key_arn=self._args.workload.keys.events,
            tags=self._tags,
            senders=senders,
            redrive=Redrive(dead_letters_arn=dead_letters.arn, max_receive_count=MAX_RECEIVES),
            visibility_seconds=VISIBILITY_FACTOR * self._args.size.timeout_seconds + batching.window_seconds,
            opts=self.child(),
        )

    def _build_function(self, name: str, imports: aws.sqs.Queue, uploads: aws.sqs.Queue) -> PlatformFunction:
        args = self._args
        function = platform_function(
            f"{name}-function",
            ingestion_function.plan(
                args.workload,
                args.stores,
                limits=args.limits,
                size=args.size,
                import_queue_url=imports.url,
                upload_queue_url=uploads.url,
                state_machine_arn=machine_arn(self._context),
                objects_per_execution=1 if args.kind == "EXPRESS" else UPLOADS.size,
            ),
            args.workload,
            self.child(),
        )
        for source, queue, batching in (("import", imports, IMPORTS), ("upload", uploads, UPLOADS)):
            aws.lambda_.EventSourceMapping(
                f"{name}-{source}-source",
                event_source_arn=queue.arn,
                function_name=function.function_arn,
                batch_size=batching.size,
                maximum_batching_window_in_seconds=batching.window_seconds,
                function_response_types=["ReportBatchItemFailures"],  # one bad message must not repeat the others
                tags=self._tags,
                opts=self.child(),
            )
        return function

    def _build_upload_rule(self, name: str, uploads: aws.sqs.Queue, dead_letters: aws.sqs.Queue) -> None:
        bucket = pulumi.Output.from_input(self._args.stores.training_data_bucket)
        rule = event_rule(
            f"{name}-{UPLOADED_RULE}",
            Rule(
                role=UPLOADED_RULE,
                description="An upload is complete: ingest it",
                pattern=bucket.apply(_uploaded_in),
            ),
            context=self._context,
            tags=self._tags,
            opts=self.child(),
        )
        event_target(
            f"{name}-{UPLOADED_RULE}-target",
            rule=rule,
            bus=None,
            arn=uploads.arn,
            dead_letters_arn=dead_letters.arn,
            transformer=Transformer(paths=event_patterns.UPLOAD_PATHS, template=event_patterns.UPLOAD_TEMPLATE),
            opts=self.child(),
        )

    def _build_finished_rule(self, name: str, function: PlatformFunction, dead_letters: aws.sqs.Queue) -> None:
        datastore = pulumi.Output.from_input(self._args.stores.datastore_id)
        function_target(
            f"{name}-{FINISHED_RULE}",
            Rule(
                role=FINISHED_RULE,
                description="A HealthImaging import ended: record its result",
                pattern=datastore.apply(_import_finished_in),
            ),
            context=self._context,
            function_name=function.function_name,
            function_arn=function.function_arn,
            dead_letters_arn=dead_letters.arn,
            tags=self._tags,
            child=self.child(),
        )


def _uploaded_in(bucket: str) -> str:
    return event_patterns.as_json(event_patterns.dicom_uploaded(bucket))


def _import_finished_in(datastore_id: str) -> str:
    return event_patterns.as_json(event_patterns.import_finished(datastore_id))
