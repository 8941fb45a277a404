"""Import jobs as the API shows them: accepted once per client token, listed, found again after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable

from local.healthimaging.datastores import DataStores
from local.healthimaging.errors import ConflictError, NotFoundError, ThrottlingError, ValidationError
from local.healthimaging.ports import Document, Events, Roles
from local.healthimaging.store import Store, new_id

CONCURRENT_LIMIT = 100
RUNNING = ("SUBMITTED", "IN_PROGRESS")
_SHOWN = (
    *("jobId", "jobName", "jobStatus", "datastoreId", "dataAccessRoleArn"),
    *("endedAt", "submittedAt", "inputS3Uri", "outputS3Uri", "message"),
)
_SUMMARISED = ("jobId", "jobName", "jobStatus", "datastoreId", "dataAccessRoleArn", "endedAt", "submittedAt", "message")


class ImportJobs:
    """StartDICOMImportJob and its readers; `begin` hands an accepted job to the worker."""

    def __init__(
        self, store: Store, stores: DataStores, events: Events, roles: Roles, begin: Callable[[str], None]
    ) -> None:
        self._store = store
        self._stores = stores
        self._events = events
        self._roles = roles
        self._begin = begin

    def start(self, parameters: Document) -> Document:
        """Accept a job; raises ThrottlingError over the quota, AccessDeniedError for a role that cannot be assumed."""
        datastore, token = parameters["datastoreId"], parameters["clientToken"]
        self._stores.require_active(datastore)
        if "importConfiguration" in parameters:
            raise ValidationError("importConfiguration is not served by the embedded AWS")
        asked = {name: value for name, value in parameters.items() if name != "clientToken"}
        known = self._store.get("job-token", f"{datastore}/{token}")
        if known is None:
            self._roles.assume(parameters["dataAccessRoleArn"], "HealthImaging")
            job = self._accept(asked, datastore, token)
            self.tell("Import Job Submitted", job)
            self._begin(job["jobId"])
        else:
            if known["asked"] != asked:
                raise ConflictError("The clientToken was used with other parameters")
            job = self.find(datastore, known["id"])
        return {key: job[key] for key in ("datastoreId", "jobId", "jobStatus", "submittedAt")}

    def _accept(self, asked: Document, datastore: str, token: str) -> Document:
        with self._store.transaction():
            running = [job for job in self._store.all("job", datastore) if job["jobStatus"] in RUNNING]
            if len(running) >= CONCURRENT_LIMIT:
                raise ThrottlingError(f"The data store has its {CONCURRENT_LIMIT} concurrent import jobs")
            identifier = new_id()
            job = {
                "jobId": identifier,
                "jobName": asked.get("jobName", identifier),
                "jobStatus": "SUBMITTED",
                "datastoreId": datastore,
                "dataAccessRoleArn": asked["dataAccessRoleArn"],
                "inputS3Uri": asked["inputS3Uri"],
                "outputS3Uri": asked["outputS3Uri"],
                "submittedAt": time.time(),
            }
            self._store.put("job", identifier, job, datastore)
            self._store.put("job-token", f"{datastore}/{token}", {"id": identifier, "asked": asked})
        return job

    def find(self, datastore: str, identifier: str) -> Document:
        """A job; raises NotFoundError."""
        job = self._store.get("job", identifier)
        if job is None or job["datastoreId"] != datastore:
            raise NotFoundError(f"Import job {identifier} does not exist in datastore {datastore}")
        return job

    def properties(self, datastore: str, identifier: str) -> Document:
        """GetDICOMImportJob."""
        job = self.find(datastore, identifier)
        return {key: job[key] for key in _SHOWN if job.get(key) is not None}

    def listing(self, datastore: str, status: str | None) -> list[Document]:
        """Summaries, newest first."""
        self._stores.find(datastore)
        found = [job for job in self._store.all("job", datastore) if status in (None, job["jobStatus"])]
        found.sort(key=lambda job: (-job["submittedAt"], job["jobId"]))
        return [{key: job[key] for key in _SUMMARISED if job.get(key) is not None} for job in found]

    def unfinished(self) -> list[str]:
        """Jobs to go on with after a restart, oldest first."""
        found = [job for job in self._store.all("job") if job["jobStatus"] in RUNNING]
        return [job["jobId"] for job in sorted(found, key=lambda job: job["submittedAt"])]

    def tell(self, detail_type: str, job: Document) -> None:
        """Send the event of a job's status."""
        keys = ("datastoreId", "jobId", "jobName", "jobStatus", "inputS3Uri", "outputS3Uri")
        detail = {"imagingVersion": "1.0", **{key: job[key] for key in keys}}
        self._events.publish(detail_type, detail, [self._stores.arn(job["datastoreId"])])
