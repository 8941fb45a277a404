"""Breach response: a finding of GuardDuty is contained, documented, told and put under its legal deadlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pulumi
import pulumi_aws as aws

from components import breach_function, event_patterns
from components._base import PlatformComponent
from components._configuration import SecuritySettings
from components._iam import Statement, policy_document, service_role
from components._machine import machine_arn, state_machine
from components._queues import Senders, encrypted_queue
from components._rules import Rule, event_rule, event_target, rule_arn
from components._runbooks import described
from components._workload import Workload, platform_function
from components.breach_function import BreachStores
from components.breach_workflow import definition_json
from components.function import FunctionSize, PlatformFunction

FINDING_RULE: Final = "security-finding"
TOPIC_ROLE: Final = "compliance"
MACHINE: Final = "breach-response"


@dataclass(frozen=True, kw_only=True)
class BreachResponseArgs:
    """What breach response needs.

    Attributes:
        workload: common ground of the functions.
        responder_boundary_arn: boundary of the roles that respond.
        audit_bucket_name, audit_bucket_arn: where evidence is locked.
        alerts_topic_arn: where an execution that needs people sounds its alarm, beside the compliance list.
        size: of the function.
        compliance_inbox: also keep what the list is told in a queue.
    """

    workload: Workload
    responder_boundary_arn: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    audit_bucket_name: pulumi.Input[str]
    audit_bucket_arn: pulumi.Input[str]
    alerts_topic_arn: pulumi.Input[str]
    security: SecuritySettings
    size: FunctionSize
    compliance_inbox: bool = False


class BreachResponse(PlatformComponent):
    """Rule on findings, state machine, function, quarantine security group, compliance topic.

    Guarantees: a finding is delivered at least once or kept as a dead letter; the same finding is dealt with once; a
    step that fails does not keep the later ones from running, and makes an alarm sound; roles outside the stack, the
    responders' own and emergency access are never shut (45 CFR 164.308(a)(6)(ii), 164.404 to 164.414).
    """

    state_machine_arn: pulumi.Output[str]
    function_name: pulumi.Output[str]
    topic_arn: pulumi.Output[str]
    quarantine_group_id: pulumi.Output[str]
    inbox_url: pulumi.Output[str | None]

    def __init__(self, name: str, args: BreachResponseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the response; see `BreachResponseArgs` for what it takes."""
        super().__init__("imaging:breach_response:BreachResponse", name, opts)
        self._args = args
        self._context = replace(args.workload.context, boundary_arn=args.responder_boundary_arn)
        self._workload = replace(args.workload, context=self._context)
        self._tags = self._context.tags_for("breach-response")

        group = self._build_quarantine_group(name)
        topic = self._build_topic(name)
        inbox = self._build_inbox(name, topic) if args.compliance_inbox else None
        function = self._build_function(name, topic, group)
        machine = self._build_machine(name, function)
        self._build_rule(name, machine)
        self._build_alarm(name, machine, [args.alerts_topic_arn, topic.arn])

        self.state_machine_arn = machine.arn
        self.function_name = function.function_name
        self.topic_arn = topic.arn
        self.quarantine_group_id = group.id
        self.inbox_url = inbox.url if inbox else pulumi.Output.from_input(None)
        self.register_outputs(
            {
                "state_machine_arn": self.state_machine_arn,
                "function_name": self.function_name,
                "topic_arn": self.topic_arn,
                "quarantine_group_id": self.quarantine_group_id,
                "inbox_url": self.inbox_url,
            }
        )

    def _build_quarantine_group(self, name: str) -> aws.ec2.SecurityGroup:
        group_name = self._context.naming.name("quarantine", limit=255)
        return aws.ec2.SecurityGroup(
            f"{name}-quarantine",  # no rule: what is put into it talks to nobody, once its open connections end
            name=group_name,
            description="Cut off by breach response",
            vpc_id=self._args.vpc_id,
            tags={**self._tags, "Name": group_name},
            opts=self.child(),
        )

    def _build_topic(self, name: str) -> aws.sns.Topic:
        naming = self._context.naming
        topic_name = naming.name(TOPIC_ROLE, limit=256)
        arn = naming.arn("sns", topic_name)
        topic = aws.sns.Topic(
            f"{name}-compliance",
            name=topic_name,
            kms_master_key_id=self._workload.keys.events,
            policy=policy_document(
                Statement(
                    sid="DenyPlainTransport",
                    effect="Deny",
                    actions=["sns:Publish"],
                    resources=[arn],
                    principals="*",
                    conditions={"Bool": {"aws:SecureTransport": "false"}},
                ),
                Statement(
                    sid="AlarmsTellCompliance",
                    actions=["sns:Publish"],
                    resources=[arn],
                    principals={"Service": ["cloudwatch.amazonaws.com"]},
                    conditions={"ArnLike": {"aws:SourceArn": naming.arn("cloudwatch", f"alarm:{naming.prefix}*")}},
                ),
            ),
            tags=self._tags,
            opts=self.child(),
        )
        for number, address in enumerate(self._args.security.compliance_emails):
            aws.sns.TopicSubscription(
                f"{name}-compliance-{number}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=self.child(),
            )
        return topic

    def _build_inbox(self, name: str, topic: aws.sns.Topic) -> aws.sqs.Queue:
        inbox = encrypted_queue(
            f"{name}-inbox",
            context=self._context,
            role="compliance-inbox",
            key_arn=self._workload.keys.events,
            tags=self._tags,
            senders=[Senders(sid="FromCompliance", service="sns.amazonaws.com", source_arns=[topic.arn])],
            opts=self.child(),
        )
        aws.sns.TopicSubscription(
            f"{name}-inbox", topic=topic.arn, protocol="sqs", endpoint=inbox.arn, opts=self.child()
        )
        return inbox

    def _build_function(self, name: str, topic: aws.sns.Topic, group: aws.ec2.SecurityGroup) -> PlatformFunction:
        stores = BreachStores(
            audit_bucket_name=self._args.audit_bucket_name,
            audit_bucket_arn=self._args.audit_bucket_arn,
            topic_arn=topic.arn,
            quarantine_group_id=group.id,
        )
        plan = breach_function.plan(self._workload, stores, self._args.security, self._args.size)
        return platform_function(f"{name}-function", plan, self._workload, self.child())

    def _build_machine(self, name: str, function: PlatformFunction) -> aws.sfn.StateMachine:
        shut = self._context.naming.arn("iam", f"role/{self._context.naming.prefix}*", regional=False)
        protected = [
            self._context.naming.arn("iam", f"role/{role}", regional=False)
            for role in breach_function.protected_roles(self._context)
        ]
        return state_machine(
            f"{name}-machine",
            workload=self._workload,
            role=MACHINE,
            execution_role=breach_function.MACHINE_ROLE,
            description="Runs breach response",
            definition=function.function_arn.apply(definition_json),
            statements=[
                Statement(
                    sid="InvokeBreachResponse",
                    actions=["lambda:InvokeFunction"],
                    resources=[function.function_arn],
                ),
                Statement(sid="ShutRoles", actions=["iam:GetRole", "iam:PutRolePolicy"], resources=[shut]),
                Statement(
                    sid="NeverShutResponders",
                    effect="Deny",
                    actions=["iam:PutRolePolicy"],
                    resources=protected,
                ),
            ],
            tags=self._tags,
            parent=self,
            log_class="audit",
        )

    def _build_rule(self, name: str, machine: aws.sfn.StateMachine) -> None:
        dead_letters = encrypted_queue(
            f"{name}-dead-letters",
            context=self._context,
            role="breach-dlq",
            key_arn=self._workload.keys.events,
            tags=self._tags,
            senders=[
                Senders(
                    sid="FromFindings",
                    service="events.amazonaws.com",
                    source_arns=[rule_arn(self._context, FINDING_RULE)],
                )
            ],
            opts=self.child(),
        )
        role = service_role(
            f"{name}-start-role",
            context=self._context,
            role=breach_function.START_ROLE,
            services=["events.amazonaws.com"],
            source_arn=rule_arn(self._context, FINDING_RULE),
            statements=[
                Statement(
                    sid="StartBreachResponse",
                    actions=["states:StartExecution"],
                    resources=[machine_arn(self._context, MACHINE)],
                )
            ],
            tags=self._tags,
            description="Starts breach response for a finding",
            opts=self.child(),
        )
        rule = event_rule(
            f"{name}-{FINDING_RULE}",
            Rule(
                role=FINDING_RULE,
                description="GuardDuty found something severe: respond",
                pattern=event_patterns.as_json(
                    event_patterns.security_finding(self._args.security.breach_min_severity)
                ),
            ),
            context=self._context,
            tags=self._tags,
            opts=self.child(),
        )
        event_target(
            f"{name}-{FINDING_RULE}-target",
            rule=rule,
            bus=None,
            arn=machine.arn,
            role_arn=role.arn,
            dead_letters_arn=dead_letters.arn,
            opts=self.child(depends_on=[role.policy]),
        )

    def _build_alarm(self, name: str, machine: aws.sfn.StateMachine, topics: Sequence[pulumi.Input[str]]) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{name}-needs-people",
            name=self._context.naming.name("breach-needs-people", limit=255),
            alarm_description=described(
                "Breach response could not do a part by itself: the incident's report says which.",
                "breach-needs-people",
                self._context,
            ),
            namespace="AWS/States",
            metric_name="ExecutionsFailed",
            dimensions={"StateMachineArn": machine.arn},
            statistic="Sum",
            period=60,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=list(topics),
            tags=self._tags,
            opts=self.child(),
        )
