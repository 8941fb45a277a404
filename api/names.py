"""Pseudonyms of studies over Secrets Manager."""

from __future__ import annotations

import functools
from typing import Any

from imaging.pseudonym import Pseudonymizer, key_from_secret
from lambda_shared.errors import aws_errors


class PseudonymousNames:
    """`StudyNames` under the platform's key, which is read once for each process and kept in memory only."""

    def __init__(self, secrets_client: Any, secret_arn: str) -> None:
        self._secrets = secrets_client
        self._arn = secret_arn

    def study_key(self, study_instance_uid: str) -> str:
        """The pseudonym under which everything of a study is kept."""
        return self._pseudonymizer.pseudonym("study", study_instance_uid)

    @functools.cached_property
    def _pseudonymizer(self) -> Pseudonymizer:
        with aws_errors("GetSecretValue"):
            answer = self._secrets.get_secret_value(SecretId=self._arn)
        return Pseudonymizer(key_from_secret(str(answer["SecretString"])))
