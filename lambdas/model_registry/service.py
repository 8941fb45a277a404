"""Decisions about model versions. Every operation may be repeated and ends in the same state.

The newest approved version is the one in service, and the one that a new model is compared with: going back is a
rollback, which withdraws what came after. A decision is recorded before it is carried out, so that none is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lambda_shared.clock import Clock
from lambda_shared.errors import ConflictError
from lambda_shared.events.models import ModelDeployed, ModelEvaluationPassed, TrialDecided
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.metrics import Meter
from model_registry.ports import Decision, Decisions, Hosting, Humans, Packages, Serving, Step, Version

TRIAL: Final = "trial"
"""Who decided, where the sequential test did."""
SAGEMAKER: Final = "sagemaker"
"""Who decided, where an update was undone by SageMaker itself."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """ModelRegistry over its ports."""

    packages: Packages
    hosting: Hosting
    humans: Humans
    decisions: Decisions
    publisher: Publisher
    meter: Meter
    clock: Clock
    endpoint_name: str
    auto_approve: bool
    auto_deploy: bool

    def passed(self, event: ModelEvaluationPassed) -> dict[str, Any]:
        """Both evaluations passed: approve, or ask a human."""
        version = self.packages.by_arn(event.model_package_arn)
        figures = f"accuracy {event.accuracy:.4f}, threshold {event.threshold:.4f}"
        if version.approval == "Rejected":
            return _answer(version, "already-rejected")  # a person's decision stands above a late event
        if self.packages.approved_after(version.number):
            return _answer(version, "superseded")  # a late event must not take the endpoint back
        if not self.auto_approve:
            self.humans.tell(
                f"Model version {version.number} waits for approval",
                f"Version {version.number} passed the pipeline's and the independent evaluation ({figures}). "
                f"An administrator approves or rejects it: POST /models/{version.number}/approval.",
            )
            return _answer(version, "waiting-for-approval")
        return self.approve(version.number, f"passed both evaluations ({figures})", "automatic")

    def approve(self, number: int, reason: str, actor: str) -> dict[str, Any]:
        """Approve a version; serve it if the stack does so by itself.

        Raises:
            ConflictError: a newer version is approved.
        """
        version = self._forwards(number)
        if version.approval != "Approved":
            self._record("approved", version, actor, reason)
            self.packages.decide(version, "Approved", f"{actor}: {reason}")
            self.meter.count("ModelApproved")
        if self.auto_deploy:
            return self._deploy(version, "approved-and-deployed", actor)
        self.humans.tell(f"Model version {number} approved", f"Version {number} is approved and not deployed.")
        return _answer(version, "approved")

    def reject(self, number: int, reason: str, actor: str) -> dict[str, Any]:
        """Reject a version. What the endpoint serves alone does not change: that needs a rollback; a trial ends."""
        version = self.packages.version(number)
        if version.approval != "Rejected":
            self._record("rejected", version, actor, reason)
            self.packages.decide(version, "Rejected", f"{actor}: {reason}")
            self.meter.count("ModelRejected")
            self.humans.tell(f"Model version {number} rejected", f"Version {number} was rejected.")
        pair = self.hosting.trial()
        if pair is not None and pair[1] == number:  # a rejected model answers nobody
            return self._leave_trial(pair, "rejected", actor, reason)
        return _answer(version, "rejected")

    def deploy(self, number: int, actor: str) -> dict[str, Any]:
        """Serve an approved version.

        Raises:
            ConflictError: the version is not approved, or a newer one is.
        """
        version = self._forwards(number)
        if version.approval != "Approved":
            raise ConflictError("NOT_APPROVED", f"version {number} is not approved")
        return self._deploy(version, "deployed", actor)

    def rollback(self, number: int, reason: str, actor: str) -> dict[str, Any]:
        """Serve an earlier version again, in one command, and withdraw every approved version that came after it.

        Raises:
            ConflictError: the version was never approved.
        """
        version = self.packages.version(number)
        if version.approval != "Approved":
            raise ConflictError("NOT_APPROVED", f"version {number} was never approved, so nobody vouches for it")
        self._record("rolled-back", version, actor, reason)
        for newer in self.packages.approved_after(number):
            self._record("withdrawn", newer, actor, f"rollback to version {number}: {reason}")
            self.packages.decide(newer, "Rejected", f"{actor}: rollback to version {number}, {reason}")
        self.packages.decide(version, "Approved", f"{actor}: rollback, {reason}")
        # unguarded: the alarms that the version in service sounds would undo the very update that helps
        return self._deploy(version, "rolled-back", actor, guarded=False)

    def endpoint_changed(self) -> dict[str, Any]:
        """An update of the endpoint ended, well or badly: draw the conclusion, and let what is in service scale."""
        concluded = self._update_ended()
        self.hosting.scale()
        return concluded

    def _update_ended(self) -> dict[str, Any]:
        """An update of the endpoint ended. One that SageMaker undid (alarm, no healthy server) loses its version.

        So the newest approved version stays the one in service; of a rollback that was undone people are told, for
        nothing is left to go back to. In a trial nothing is concluded. No version is withdrawn twice.
        """
        serving, number = self.hosting.serving(), self.decisions.last("deployed")
        if serving is None or not serving.settled or number is None:
            return {"status": "as-decided"}
        if serving.trouble:
            return self._nothing_sure(self.packages.version(number), serving)
        if serving.number in (None, number):
            return {"status": "as-decided"}
        version, served = self.packages.version(number), self.packages.version(serving.number)
        backwards = served.number < number
        if not backwards and served.approval == "Approved":
            return {"status": "as-decided"}  # this event came before the record of its own deployment
        withdrawn = version.approval != "Approved"
        if withdrawn or (not backwards and self._told(number)):
            return _answer(version, "withdrawn-already" if withdrawn else "undone-already")
        why = f"SageMaker went back to version {served.number}: {serving.reason or 'an alarm, or no healthy server'}"
        self._record("deployment-undone", version, SAGEMAKER, why)
        if backwards:
            self.packages.decide(version, "Rejected", f"{SAGEMAKER}: {why}")
        self.meter.count("DeploymentUndone")
        self.humans.tell(
            f"Deployment of model version {number} undone",
            f"Endpoint {self.endpoint_name}: {why}. Version {number} is {'withdrawn' if backwards else 'not served'}.",
        )
        self._publish(served)
        return _answer(version, "deployment-undone")

    def _nothing_sure(self, version: Version, serving: Serving) -> dict[str, Any]:
        """The endpoint failed, or serves two versions: nothing is withdrawn, for nothing says whose fault it is."""
        if self._told(version.number):
            return _answer(version, "undone-already")
        what = {
            "failed": "the endpoint failed and answers nobody. The next deployment removes it and makes a new one",
            "mixed": "SageMaker could not go back: servers of two versions answer. Deploy a version, or roll back",
        }[serving.trouble]
        why = f"{what}: {serving.reason or 'SageMaker gives no reason'}"
        self._record("deployment-undone", version, SAGEMAKER, why)
        self.meter.count("DeploymentUndone")
        self.humans.tell(
            f"Deployment of model version {version.number} failed", f"Endpoint {self.endpoint_name}: {why}."
        )
        return _answer(version, "deployment-undone")

    def _told(self, number: int) -> bool:
        """SageMaker may send an event twice."""
        return self.decisions.newest() == ("deployment-undone", number)

    def trial(self, number: int, reason: str, actor: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Serve a newer version beside the one in service, for its share of the requests, until a decision.

        Raises:
            ConflictError: nothing is in service, the version was decided about, or another trial is under way.
        """
        version, champion = self._forwards(number), self._champion()
        if version.approval != "PendingManualApproval":
            raise ConflictError("DECIDED", f"version {number} is {version.approval.lower()}: there is nothing to try")
        pair, wanted = self.hosting.trial(), (champion.number, number)
        if pair not in (None, wanted):
            raise ConflictError("TRIAL_UNDER_WAY", "another trial is under way: end it first")
        told = {"champion_version": champion.number}
        if dry_run:
            return {**_answer(version, "trial-could-begin"), **told}
        self._record("trial-started", version, actor, f"beside version {champion.number}: {reason}")
        change = self.hosting.try_out(champion, version)
        if change != "unchanged":
            self.humans.tell(
                f"Model version {number} is on trial",
                f"Endpoint {self.endpoint_name} is moving to version {champion.number} and, on trial, {number}.",
            )
        return {**_answer(version, "trial-started"), **told, "endpoint": self.endpoint_name, "change": change}

    def end_trial(self, number: int, reason: str, actor: str) -> dict[str, Any]:
        """Serve the champion alone again; the challenger may still be approved or rejected.

        Raises:
            ConflictError: that version is not on trial.
        """
        pair = self.hosting.trial()
        if pair is None or pair[1] != number:
            raise ConflictError("NO_TRIAL", f"version {number} is not on trial")
        return self._leave_trial(pair, "trial-ended", actor, reason)

    def decided(self, event: TrialDecided) -> dict[str, Any]:
        """The sequential test has decided: the better version goes into service if the stack lets it, a worse one goes.

        Going back needs nobody's consent; a late or repeated event finds no such trial and changes nothing.
        """
        pair, challenger = self.hosting.trial(), self.packages.version(event.challenger_version)
        if pair is None or pair != (event.champion_version, event.challenger_version):
            return _answer(challenger, "no-such-trial")
        why = (
            f"{event.outcome} after {event.studies} studies: agreement with the readers "
            f"{event.challenger_agreement:.4f}, champion {event.champion_agreement:.4f}, evidence {event.evidence:.1f}"
        )
        if event.outcome == "worse":
            return self.reject(challenger.number, why, TRIAL)
        if event.outcome == "undecided":
            return self._leave_trial(pair, "trial-ended", TRIAL, why)
        if not self.auto_approve:
            self.humans.tell(
                f"Model version {challenger.number} has won its trial",
                f"Version {challenger.number} is {why}. An administrator approves it: "
                f"POST /models/{challenger.number}/approval.",
            )
            return _answer(challenger, "waiting-for-approval")
        approved = self.approve(challenger.number, why, TRIAL)
        return approved if self.auto_deploy else self._deploy(challenger, "trial-won", TRIAL)

    def _champion(self) -> Version:
        approved = self.packages.approved_after(0)
        if not approved:
            raise ConflictError(
                "NO_CHAMPION", "no version is approved: approve the first one, nothing is there to beat"
            )
        return approved[-1]

    def _leave_trial(self, pair: tuple[int, int], decision: str, actor: str, reason: str) -> dict[str, Any]:
        champion, challenger = (self.packages.version(number) for number in pair)
        self._record("trial-ended", challenger, actor, f"version {champion.number} alone again: {reason}")
        served = self._deploy(champion, decision, actor)
        return {**_answer(challenger, decision), "champion_version": champion.number, "change": served["change"]}

    def notify_rejected(self, accuracy: float, threshold: float, execution: str, reason: str = "") -> dict[str, str]:
        """The pipeline's gate refused a model; the pipeline's Lambda step reads `status`."""
        why = reason or f"Accuracy {accuracy:.4f} is below {threshold:.4f}."
        told = f"{why} Execution: {execution}"
        self.decisions.record(Decision(step="gate-refused", version=0, actor="pipeline", reason=told))
        self.meter.count("ModelGateRefused")
        self.humans.tell("The gate refused a model", f"{why} Nothing was registered. Execution: {execution}")
        return {"status": "notified"}

    def _forwards(self, number: int) -> Version:
        version = self.packages.version(number)
        if newer := self.packages.approved_after(number):
            numbers = ", ".join(str(other.number) for other in newer)
            raise ConflictError("NEWER_APPROVED", f"version {numbers} is approved and newer: going back is a rollback")
        return version

    def _record(self, step: Step, version: Version, actor: str, reason: str) -> None:
        self.decisions.record(Decision(step=step, version=version.number, actor=actor, reason=reason))

    def _deploy(self, version: Version, decision: str, actor: str, *, guarded: bool = True) -> dict[str, Any]:
        change = self.hosting.deploy(version, guarded=guarded)
        if change != "unchanged":
            self._record("deployed", version, actor, f"{decision}, endpoint {change}")
            self.meter.count("ModelDeployed")
            waited = (self.clock.now() - version.created_at).total_seconds()
            self.meter.count("TimeToDeploy", max(waited, 0.0), "Seconds")
            self.humans.tell(
                f"Model version {version.number} deployed",
                f"Endpoint {self.endpoint_name} is moving to version {version.number} ({decision}).",
            )
        self._publish(version)
        return {**_answer(version, decision), "endpoint": self.endpoint_name, "change": change}

    def _publish(self, version: Version) -> None:
        """Also when nothing changed: the first attempt may have died before its event; consumers drop repeats by id."""
        event = ModelDeployed(
            model_package_arn=version.arn, model_version=version.number, endpoint_name=self.endpoint_name
        )
        day = self.clock.now().date().isoformat()
        self.publisher.publish(event, deterministic_event_id("ModelDeployed", version.arn, self.endpoint_name, day))


def _answer(version: Version, decision: str) -> dict[str, Any]:
    return {"status": decision, "decision": decision, "model_version": version.number, "model_package_arn": version.arn}
