"""The rules that join the platform's parts: which event goes to which function, and what people are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components import event_patterns
from components._base import Context, PlatformComponent
from components._rules import Rule, Transformer, event_rule, event_target, function_target
from components.events import (
    DECIDED_RULE,
    DRIFT_RULE,
    DRIFTED_RULE,
    ENDED_RULE,
    FAILURE_RULE,
    SETTLED_RULE,
    TRIAL_RULE,
    VERIFIED_RULE,
    VIOLATION_RULE,
)
from components.training_pipeline import model_group

# JSON objects, not sentences: a value with a quotation mark would break a sentence and the message would be lost.
VIOLATION_MESSAGE: Final = Transformer(
    paths={
        "subject": "$.detail.data.subject",
        "metric": "$.detail.data.metric",
        "value": "$.detail.data.value",
        "threshold": "$.detail.data.threshold",
        "detail": "$.detail.data.detail",
        "time": "$.detail.occurred_at",
    },
    template=(
        '{"alert":"A figure is outside its bounds","subject":<subject>,"metric":<metric>,"value":<value>,'
        '"threshold":<threshold>,"detail":<detail>,"time":<time>}'
    ),
)
DRIFT_INPUT: Final = '{"operation":"drift"}'
TRIAL_INPUT: Final = '{"operation":"trial"}'
FAILURE_MESSAGE: Final = Transformer(
    paths={
        "execution": "$.detail.pipelineExecutionArn",
        "status": "$.detail.currentPipelineExecutionStatus",
        "time": "$.time",
    },
    template='{"alert":"A training run failed","execution":<execution>,"status":<status>,"time":<time>}',
)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A function that a rule invokes."""

    name: pulumi.Input[str]
    arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class EventRoutesArgs:
    """Who gets which event.

    Attributes:
        bus_name: The platform's bus.
        training_requests_arn: Queue of the pipeline trigger: labels wait in it until the readers are quiet.
        pipeline_arn: The training pipeline, whose status changes arrive on the default bus.
        topic_arn: Where people are told.
        error_log_group_arn: Where failed trainings are kept.
        dead_letters_arn: What no target took within a day.
        drift_schedule: When the model in service is compared with its baseline.
        drift_retrains: Whether a drift that was found asks for a training.
        trial_schedule: When the answers of a trial are compared with what the readers found.
    """

    context: Context
    bus_name: pulumi.Input[str]
    pipeline_arn: str
    topic_arn: pulumi.Input[str]
    error_log_group_arn: pulumi.Input[str]
    dead_letters_arn: pulumi.Input[str]
    training_requests_arn: pulumi.Input[str]
    model_evaluation: Receiver
    model_registry: Receiver
    drift_schedule: str
    drift_retrains: bool
    trial_schedule: str


class EventRoutes(PlatformComponent):
    """The rules of row A6 after ingestion: each event goes to one function or to people, retried for a day."""

    rule_names: pulumi.Output[list[str]]

    def __init__(self, name: str, args: EventRoutesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:event_routes:EventRoutes", name, opts)
        self._args = args
        self._tags = args.context.tags_for("events", "events")
        made = [self._to_function(name, rule, receiver) for rule, receiver in self._function_rules()]
        made += [self._to_requests(name, rule) for rule in self._request_rules()]
        made += [*self._looks(name), self._violations(name), self._failures(name)]
        self.rule_names = pulumi.Output.all(*(rule.name for rule in made)).apply(list)
        self.register_outputs({"rule_names": self.rule_names})

    def _function_rules(self) -> list[tuple[Rule, Receiver]]:
        succeeded = event_patterns.pipeline_execution(self._args.pipeline_arn, "Succeeded")
        return [
            (
                Rule(
                    role="training-complete",
                    description="A training run succeeded: evaluate its model independently",
                    pattern=event_patterns.as_json(succeeded),
                ),
                self._args.model_evaluation,
            ),
            (
                Rule(
                    role="model-evaluation-passed",
                    description="The independent evaluation passed: decide about the model",
                    pattern=event_patterns.as_json(event_patterns.model_evaluation_passed()),
                    bus=self._args.bus_name,
                ),
                self._args.model_registry,
            ),
            (
                Rule(
                    role=DECIDED_RULE,
                    description="The trial of a model has decided: promote it or take it back",
                    pattern=event_patterns.as_json(event_patterns.trial_decided()),
                    bus=self._args.bus_name,
                ),
                self._args.model_registry,
            ),
            (
                Rule(
                    role=SETTLED_RULE,
                    description="An update of the endpoint ended: was it undone?",
                    pattern=event_patterns.as_json(event_patterns.endpoint_settled(model_group(self._args.context))),
                ),
                self._args.model_registry,
            ),
        ]

    def _to_function(
        self, name: str, rule: Rule, receiver: Receiver, constant_input: str | None = None
    ) -> aws.cloudwatch.EventRule:
        return function_target(
            f"{name}-{rule.role}",
            rule,
            context=self._args.context,
            function_name=receiver.name,
            function_arn=receiver.arn,
            dead_letters_arn=self._args.dead_letters_arn,
            tags=self._tags,
            child=self.child(),
            constant_input=constant_input,
        )

    def _looks(self, name: str) -> list[aws.cloudwatch.EventRule]:
        """Model Monitor does not fit: it reads tables, and its schedule needs an endpoint that the registry makes."""
        drift = Rule(
            role=DRIFT_RULE,
            description="Compares the answers of the model in service with its baseline",
            schedule=self._args.drift_schedule,
        )
        trial = Rule(
            role=TRIAL_RULE,
            description="Compares the answers of a trial's two models with what the readers found",
            schedule=self._args.trial_schedule,
        )
        return [
            self._to_function(name, rule, self._args.model_evaluation, constant_input)
            for rule, constant_input in ((drift, DRIFT_INPUT), (trial, TRIAL_INPUT))
        ]

    def _request_rules(self) -> list[Rule]:
        ended = event_patterns.pipeline_execution(self._args.pipeline_arn, "Succeeded", "Failed", "Stopped")
        return [
            Rule(
                role=VERIFIED_RULE,
                description="A label version was stored: is it time to train?",
                pattern=event_patterns.as_json(event_patterns.image_verified()),
                bus=self._args.bus_name,
            ),
            Rule(
                role=ENDED_RULE,
                description="A training run ended: do labels that came meanwhile want the next one?",
                pattern=event_patterns.as_json(ended),
            ),
            Rule(
                role=DRIFTED_RULE,
                description="The model in service has drifted: train on what labels are new",
                pattern=event_patterns.as_json(event_patterns.drift_found()),
                bus=self._args.bus_name,
                enabled=self._args.drift_retrains,
            ),
        ]

    def _to_requests(self, name: str, rule: Rule) -> aws.cloudwatch.EventRule:
        made = event_rule(f"{name}-{rule.role}", rule, context=self._args.context, tags=self._tags, opts=self.child())
        self._target(f"{name}-{rule.role}-target", made, rule.bus, self._args.training_requests_arn, None)
        return made

    def _violations(self, name: str) -> aws.cloudwatch.EventRule:
        rule = event_rule(
            f"{name}-{VIOLATION_RULE}",
            Rule(
                role=VIOLATION_RULE,
                description="A figure is outside its bounds: tell people",
                pattern=event_patterns.as_json(event_patterns.metric_violation()),
                bus=self._args.bus_name,
            ),
            context=self._args.context,
            tags=self._tags,
            opts=self.child(),
        )
        self._target(
            f"{name}-{VIOLATION_RULE}-people", rule, self._args.bus_name, self._args.topic_arn, VIOLATION_MESSAGE
        )
        return rule

    def _failures(self, name: str) -> aws.cloudwatch.EventRule:
        rule = event_rule(
            f"{name}-{FAILURE_RULE}",
            Rule(
                role=FAILURE_RULE,
                description="A training run failed: tell people and keep the event",
                pattern=event_patterns.as_json(event_patterns.pipeline_execution(self._args.pipeline_arn, "Failed")),
            ),
            context=self._args.context,
            tags=self._tags,
            opts=self.child(),
        )
        self._target(f"{name}-{FAILURE_RULE}-people", rule, None, self._args.topic_arn, FAILURE_MESSAGE)
        self._target(f"{name}-{FAILURE_RULE}-log", rule, None, self._args.error_log_group_arn, None)
        return rule

    def _target(
        self,
        logical_name: str,
        rule: aws.cloudwatch.EventRule,
        bus: pulumi.Input[str] | None,
        arn: pulumi.Input[str],
        transformer: Transformer | None,
    ) -> None:
        event_target(
            logical_name,
            rule=rule,
            bus=bus,
            arn=arn,
            dead_letters_arn=self._args.dead_letters_arn,
            transformer=transformer,
            opts=self.child(),
        )
