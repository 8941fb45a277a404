"""ARNs and names, in the patterns of the service authorization reference for Amazon SageMaker."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass

_ALPHABET = string.ascii_lowercase + string.digits
MAX_JOB_NAME = 63
MODEL_PACKAGE_ARN = re.compile(r":model-package/(?P<group>[^/]+)/(?P<version>\d+)$")


@dataclass(frozen=True)
class Scope:
    """Partition part of every ARN: region and account of this stand-in."""

    region: str
    account: str

    def arn(self, kind: str, name: str) -> str:
        """arn:aws:sagemaker:<region>:<account>:<kind>/<name>."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def pipeline(self, name: str) -> str:
        return self.arn("pipeline", name)

    def execution(self, pipeline: str, execution_id: str) -> str:
        return self.arn("pipeline", f"{pipeline}/execution/{execution_id}")

    def package(self, group: str, version: int) -> str:
        return self.arn("model-package", f"{group}/{version}")

    def log_stream(self, group: str, stream: str) -> str:
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{group}:log-stream:{stream}"


def random_id(length: int = 12) -> str:
    """Lower-case identifier like those of pipeline executions."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def job_name(execution_id: str, step: str) -> str:
    """Name that Pipelines give to the jobs they start: pipelines-<execution>-<step>-<random>, at most 63 characters."""
    prefix, suffix = f"pipelines-{execution_id}-", f"-{random_id(10)}"
    return prefix + re.sub(r"[^a-zA-Z0-9-]", "-", step)[: MAX_JOB_NAME - len(prefix) - len(suffix)].strip("-") + suffix


def last(arn_or_name: str) -> str:
    """Name out of an ARN, or the name itself."""
    return arn_or_name.split("/", 1)[1] if arn_or_name.startswith("arn:") else arn_or_name
