"""Events reach a rule's function; a SIGKILL in mid-import ends in one complete import."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from pydicom.uid import generate_uid

from tests.local.healthimaging.conftest import ct_file, role_with


def test_the_end_of_an_import_reaches_a_queue_through_the_default_bus(
    aws: Any, datastore: str, run_import: Any, eventually: Any
) -> None:
    queue = aws("sqs").create_queue(QueueName=f"finished-{uuid.uuid4().hex[:6]}")["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {
        "source": ["aws.medical-imaging"],
        "detail-type": ["Import Job Completed", "Import Job Failed", "Image Set Created"],
        "detail": {"datastoreId": [datastore]},
    }
    name = f"import-finished-{uuid.uuid4().hex[:6]}"
    aws("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
    aws("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    job = run_import(datastore, {"a.dcm": ct_file(study=generate_uid(), series=generate_uid())[0]})
    received: dict[str, Any] = {}

    def both() -> bool:
        answer = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"])
            received[event["detail-type"]] = event
        return set(received) == {"Import Job Completed", "Image Set Created"}

    eventually(both, what="both events")
    event = received["Import Job Completed"]
    assert event["account"] == "111122223333"
    assert event["resources"] == [f"arn:aws:medical-imaging:us-east-1:111122223333:datastore/{datastore}"]
    assert event["detail"] == {
        "imagingVersion": "1.0",
        "datastoreId": datastore,
        "jobId": job["jobId"],
        "jobName": job["jobName"],
        "jobStatus": "COMPLETED",
        "inputS3Uri": job["inputS3Uri"],
        "outputS3Uri": job["outputS3Uri"],
    }


def test_a_kill_in_mid_import_ends_in_one_complete_import(own_launcher: Any, make_client: Any, eventually: Any) -> None:
    environment = own_launcher.start()
    s3, imaging = make_client(environment, "s3"), make_client(environment, "medical-imaging")
    s3.create_bucket(Bucket="killed")
    role = role_with(
        make_client(environment, "iam"), "killed-import", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    )
    datastore = imaging.create_datastore(datastoreName="killed")["datastoreId"]
    study, series, count = generate_uid(), generate_uid(), 60
    for number in range(count):
        s3.put_object(Bucket="killed", Key=f"in/{number}.dcm", Body=ct_file(study=study, series=series)[0])
    time.sleep(4.5)  # bucket and role are resources: they are in a snapshot by now
    job = imaging.start_dicom_import_job(
        datastoreId=datastore,
        dataAccessRoleArn=role,
        inputS3Uri="s3://killed/in/",
        outputS3Uri="s3://killed/out/",
        clientToken="once",
    )["jobId"]

    def status(client: Any) -> str:
        return client.get_dicom_import_job(datastoreId=datastore, jobId=job)["jobProperties"]["jobStatus"]

    eventually(lambda: status(imaging) == "IN_PROGRESS", what="the start of the import")
    own_launcher.kill()
    imaging = make_client(own_launcher.start(), "medical-imaging")
    eventually(lambda: status(imaging) == "COMPLETED", what="the end of the import")
    (one,) = imaging.search_image_sets(datastoreId=datastore)["imageSetsMetadataSummaries"]
    assert (one["version"], one["DICOMTags"]["DICOMNumberOfStudyRelatedInstances"]) == (1, count)
