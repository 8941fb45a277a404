"""The program of the promotion's replay: a table of labels, records of a size that commits change, and one secret."""

import pulumi
import pulumi_aws as aws

RETENTION_DAYS = 30
SENTINEL = pulumi.Config().require_secret("password")

table = aws.dynamodb.Table("labels", name=f"{pulumi.get_stack()}-labels", billing_mode="PAY_PER_REQUEST")
aws.cloudwatch.LogGroup("records", name=f"{pulumi.get_stack()}-records", retention_in_days=RETENTION_DAYS)
aws.secretsmanager.SecretVersion("password", secret_id="password", secret_string=SENTINEL)
pulumi.export("table", table.name)
