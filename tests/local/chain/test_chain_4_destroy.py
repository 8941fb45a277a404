"""At the end the engine itself deletes every resource, and nothing stays behind."""

import pytest

from local.cloud import Cloud
from local.stack import LocalStack

pytestmark = [pytest.mark.local, pytest.mark.engine]


def test_the_engine_deletes_the_whole_stack(stack: LocalStack) -> None:
    stack.destroy()
    cloud = Cloud(stack.client_environment())
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.client("lambda").list_functions()["Functions"] == []
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    # a table that a drill deleted just before the kill is back with the last snapshot; the engine never made it
    assert [table for table in tables if "-drill-" not in table] == []
    stores = cloud.client("medical-imaging").list_datastores()["datastoreSummaries"]
    assert {store["datastoreStatus"] for store in stores} == {"DELETED"}, (
        "HealthImaging goes on listing what it deleted"
    )
