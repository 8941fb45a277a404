"""The platform: settings -> components in the order of the data's way -> exports. Every stack runs this program."""

from __future__ import annotations

import os
from typing import Any

import pulumi

from components import assembly, delivering, guarding, settings
from components.api import RadiologistApi
from components.event_routes import EventRoutes
from components.events import PlatformEvents
from components.ingestion import IngestionWorkflow
from components.mlops import MLOpsPipeline
from components.monitoring import Monitoring
from components.store_scp import DicomReceiver


def main() -> None:
    """Builds the running stack. Raises SettingsError or LayersMissingError with a sentence for its user."""
    stack = settings.load()
    base = assembly.foundation(stack, assembly.context_of(stack))
    events = PlatformEvents("events", assembly.events_args(base))
    guards = guarding.guard(base, events)
    ingestion = IngestionWorkflow("ingestion", assembly.ingestion_args(base))
    mlops = MLOpsPipeline("mlops", assembly.mlops_args(base, events, os.environ.get("GITHUB_SHA", "unknown")))
    routes = EventRoutes("routes", assembly.routes_args(base, events, mlops))
    api = RadiologistApi("api", assembly.api_args(base, events, mlops))
    delivery = delivering.deliver(base, events, api)
    monitoring = Monitoring("monitoring", assembly.monitoring_args(base, events, ingestion))
    receiver = DicomReceiver("store-scp", assembly.receiver_args(base, events))
    for name, value in {
        **foundation_exports(base),
        "event_bus": events.bus_name,
        "alerts_topic_arn": events.topic_arn,
        "alerts_inbox_url": events.alerts_inbox_url,
        "event_rules": routes.rule_names,
        "state_machine_arn": ingestion.state_machine_arn,
        "import_queue_url": ingestion.import_queue_url,
        "image_ingestion_function": ingestion.function_name,
        "pipeline_name": mlops.pipeline_name,
        "pipeline_arn": mlops.pipeline_arn,
        "model_package_group": mlops.model_package_group,
        "endpoint_name": mlops.endpoint_name,
        "pipeline_trigger_function": mlops.trigger_name,
        "model_evaluation_function": mlops.evaluation_name,
        "model_registry_function": mlops.registry_name,
        "api_url": api.url,
        "user_pool_id": api.user_pool_id,
        "user_pool_client_id": api.client_id,
        "viewer_client_id": api.viewer_client_id,
        "viewer_origins": list(stack.api.viewer_origins),
        "sign_in_host": api.sign_in_host,
        "radiologist_api_function": api.function_name,
        "audit_log_group": api.audit_log_group_name,
        "monitoring_function": monitoring.function_name,
        "dashboards": monitoring.dashboard_names,
        "alarms": monitoring.alarm_names,
        "receiver_address": receiver.address,
        **guards.exports(),
        **delivery.exports(),
    }.items():
        pulumi.export(name, value)


def foundation_exports(base: assembly.Foundation) -> dict[str, pulumi.Output[Any]]:
    """Names of the stores, for people and for the stack's own tools."""
    return {
        "vpc_id": base.network.vpc_id,
        "training_data_bucket": base.buckets.training_data_name,
        "preprocessed_bucket": base.buckets.preprocessed_name,
        "model_artifacts_bucket": base.buckets.model_artifacts_name,
        "logs_bucket": base.buckets.logs_name,
        "audit_bucket": base.buckets.audit_name,
        "pseudonym_secret_arn": base.keys.pseudonym_secret_arn,
        "tracking_table": base.tables.image_tracking_name,
        "assignments_table": base.tables.assignments_name,
        "labels_table": base.tables.labels_name,
        "outbox_table": base.tables.outbox_name,
        "metrics_table": base.tables.metrics_name,
        "training_runs_table": base.tables.training_runs_name,
        "idempotency_table": base.tables.idempotency_name,
        "image_repositories": base.repositories.repository_urls,
        "datastore_id": base.images.datastore_id,
        "dicomweb_endpoint": base.images.dicomweb_endpoint,
        "streaming_endpoint": base.images.streaming_endpoint,
    }


if __name__ == "__main__":
    main()
