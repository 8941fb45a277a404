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
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    stores = cloud.client("medical-imaging").list_datastores()["datastoreSummaries"]
    assert {store["datastoreStatus"] for store in stores} == {"DELETED"}, (
        "HealthImaging goes on listing what it deleted"
    )
