"""The ports over boto3."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from breach_response.ports import Grant
from lambda_shared.errors import NotFoundError, aws_code, aws_errors, http_status

FOLDER = "incidents"
MAX_EVENTS = 1000
"""LookupEvents answers 50 a page, two pages a second: as many as ten seconds give. The trail's files have all."""
CONTENT_TYPES = {"json": "application/json", "md": "text/markdown; charset=utf-8", "gz": "application/gzip"}


class S3Records:
    """`Records` over the audit bucket, whose default retention locks every version."""

    def __init__(self, s3_client: Any, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def add(self, incident_id: str, name: str, content: bytes) -> bool:
        """Write a file once; False when it is there already."""
        try:
            with aws_errors("PutObject"):
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=f"{FOLDER}/{incident_id}/{name}",
                    Body=content,
                    ContentType=CONTENT_TYPES[name.rsplit(".", 1)[-1]],
                    ChecksumAlgorithm="SHA256",
                    IfNoneMatch="*",
                )
        except Exception as error:
            if http_status(error) == 412:
                return False
            raise
        return True

    def read(self, incident_id: str, name: str) -> bytes:
        """A file. Raises NotFoundError."""
        try:
            with aws_errors("GetObject"):
                found = self._s3.get_object(Bucket=self._bucket, Key=f"{FOLDER}/{incident_id}/{name}")
                return bytes(found["Body"].read())
        except Exception as error:
            if aws_code(error) in {"NoSuchKey", "404"}:
                raise NotFoundError("NO_RECORD", f"the incident has no {name}") from None
            raise

    def address(self, incident_id: str, name: str) -> str:
        """Where people find the file."""
        return f"s3://{self._bucket}/{FOLDER}/{incident_id}/{name}"


class Ec2Network:
    """`Network` over EC2."""

    def __init__(self, ec2_client: Any, quarantine_group_id: str) -> None:
        self._ec2 = ec2_client
        self._group_id = quarantine_group_id

    def describe(self, interface_ids: tuple[str, ...]) -> list[dict[str, Any]]:
        """What the interfaces are attached to; one that is gone is left out."""
        found: list[dict[str, Any]] = []
        for interface_id in interface_ids:
            try:
                with aws_errors("DescribeNetworkInterfaces"):
                    answer = self._ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])
            except Exception as error:
                if aws_code(error) == "InvalidNetworkInterfaceID.NotFound":
                    continue
                raise
            found += [
                {
                    "interface": item["NetworkInterfaceId"],
                    "vpc": item.get("VpcId"),
                    "subnet": item.get("SubnetId"),
                    "attachment": item.get("Attachment", {}).get("InstanceId"),
                    "groups": [group["GroupId"] for group in item.get("Groups", [])],
                }
                for item in answer["NetworkInterfaces"]
            ]
        return found

    def quarantine(self, interface_id: str) -> None:
        """Leave the interface with the quarantine group alone."""
        with aws_errors("ModifyNetworkInterfaceAttribute"):
            self._ec2.modify_network_interface_attribute(NetworkInterfaceId=interface_id, Groups=[self._group_id])


class KmsGrants:
    """`Grants` over KMS."""

    def __init__(self, kms_client: Any, key_arns: tuple[str, ...]) -> None:
        self._kms = kms_client
        self._key_arns = key_arns

    def of_principal(self, principal_arn: str) -> list[Grant]:
        """All grants that let the principal use a key."""
        return [
            Grant(key_arn=key_arn, grant_id=item["GrantId"], operations=tuple(item.get("Operations", ())))
            for key_arn in self._key_arns
            for item in self._grants(key_arn, principal_arn)
        ]

    def _grants(self, key_arn: str, principal_arn: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        request: dict[str, Any] = {"KeyId": key_arn, "GranteePrincipal": principal_arn}
        while True:
            with aws_errors("ListGrants"):
                page = self._kms.list_grants(**request)
            # the service filters too, but who is wrongly in this list would lose a key
            found += [grant for grant in page["Grants"] if grant.get("GranteePrincipal") == principal_arn]
            if not page.get("Truncated"):
                return found
            request["Marker"] = page["NextMarker"]

    def revoke(self, grant: Grant) -> None:
        """End a grant; one that is gone is no error."""
        try:
            with aws_errors("RevokeGrant"):
                self._kms.revoke_grant(KeyId=grant.key_arn, GrantId=grant.grant_id)
        except Exception as error:
            if aws_code(error) != "NotFoundException":
                raise


class CloudTrail:
    """`Trail` over CloudTrail's event history (management events of 90 days)."""

    def __init__(self, cloudtrail_client: Any) -> None:
        self._cloudtrail = cloudtrail_client

    def events(self, attribute: str, value: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Management events by an attribute, newest first, at most `MAX_EVENTS`."""
        found: list[dict[str, Any]] = []
        request: dict[str, Any] = {
            "LookupAttributes": [{"AttributeKey": attribute, "AttributeValue": value}],
            "StartTime": since,
            "EndTime": until,
        }
        while len(found) < MAX_EVENTS:
            with aws_errors("LookupEvents"):
                page = self._cloudtrail.lookup_events(**request)
            found += [json.loads(item["CloudTrailEvent"]) for item in page["Events"]]
            if not page.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
        return found[:MAX_EVENTS]


class SnsCompliance:
    """`Compliance` over a topic."""

    def __init__(self, sns_client: Any, topic_arn: str) -> None:
        self._sns = sns_client
        self._topic_arn = topic_arn

    def tell(self, subject: str, message: str) -> None:
        """One message."""
        with aws_errors("Publish"):
            self._sns.publish(TopicArn=self._topic_arn, Subject=subject, Message=message)
