"""CloudWatch alarms and dashboards."""

from __future__ import annotations

from ..clients import Aws
from ..kind import Values
from ..objects import Object
from ..shapes import fit, same


class MetricAlarm(Object):
    pulumi_type = "aws:cloudwatch/metricAlarm:MetricAlarm"
    service, name, name_limit, taggable = "cloudwatch", "name", 255, True
    create_op = update_op = "put_metric_alarm"
    read_op, delete_op, keys = "describe_alarms", "delete_alarms", {"AlarmName": "{name}"}
    id_at, body_at, outputs = "{name}", "MetricAlarms[0]", {"arn": "AlarmArn"}
    rename = {
        "name": "AlarmName",
        "metricQueries": "Metrics",
        "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    }
    defaults = {"actionsEnabled": True, "treatMissingData": "missing"}
    tag_key = "ResourceARN"

    def sent(self, new: Values) -> Values:
        values = super().sent(new)
        if isinstance(values.get("metricQueries"), list):
            values["metricQueries"] = [_query(q) if isinstance(q, dict) else q for q in values["metricQueries"]]
        return values

    def read_args(self, aws: Aws, id: str, known: Values) -> Values:
        return {"AlarmNames": [id], "AlarmTypes": ["MetricAlarm"]}

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        if "metricQueries" in known and "Metrics" in body:  # the embedded AWS keeps no metric math: no drift to see
            wanted = fit(aws.shape("cloudwatch", self.create_op).members["Metrics"], self.sent(known)["metricQueries"])
            found["metricQueries"] = known["metricQueries"] if same(wanted, body.get("Metrics")) else body["Metrics"]

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, "delete_alarms", AlarmNames=[id])


def _query(query: Values) -> Values:
    """A metric query of Pulumi (`metric` is flat) as CloudWatch nests it (MetricStat.Metric)."""
    metric = query.get("metric")
    if not isinstance(metric, dict):
        return query
    names = ("namespace", "metricName", "dimensions")
    stat = {k: v for k, v in metric.items() if k not in names and v is not None}
    inner = {k: metric[k] for k in names if metric.get(k) is not None}
    return {**{k: v for k, v in query.items() if k != "metric"}, "metricStat": {**stat, "metric": inner}}


class CompositeAlarm(Object):
    pulumi_type = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
    service, name, name_limit, taggable = "cloudwatch", "alarmName", 255, True
    create_op = update_op = "put_composite_alarm"
    read_op, delete_op, keys = "describe_alarms", "delete_alarms", {"AlarmName": "{alarmName}"}
    id_at, body_at, outputs = "{alarmName}", "CompositeAlarms[0]", {"arn": "AlarmArn"}
    defaults, replaces, tag_key = {"actionsEnabled": True}, "actionsEnabled", "ResourceARN"

    def sent(self, new: Values) -> Values:
        values = super().sent(new)
        suppressor = values.pop("actionsSuppressor", None)
        if isinstance(suppressor, dict):
            names = {"alarm": "", "extensionPeriod": "ExtensionPeriod", "waitPeriod": "WaitPeriod"}
            values |= {f"actionsSuppressor{names[k]}": v for k, v in suppressor.items()}
        return values

    def read_args(self, aws: Aws, id: str, known: Values) -> Values:
        return {"AlarmNames": [id], "AlarmTypes": ["CompositeAlarm"]}

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        for part in ("", "ExtensionPeriod", "WaitPeriod"):
            found.pop(f"actionsSuppressor{part}", None)

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, "delete_alarms", AlarmNames=[id])


class Dashboard(Object):
    pulumi_type = "aws:cloudwatch/dashboard:Dashboard"
    service, key, name, name_limit = "cloudwatch", "DashboardName", "dashboardName", 255
    create_op = update_op = "put_dashboard"
    read_op, delete_op, id_at, documents = "get_dashboard", "delete_dashboards", "{dashboardName}", "dashboardBody"
    outputs = {"dashboardArn": "DashboardArn"}

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, "delete_dashboards", DashboardNames=[id])
