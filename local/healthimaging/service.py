"""The service as a whole: operations by name, who may call them, and the threads that import."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

from local.healthimaging import search
from local.healthimaging.datastores import DataStores
from local.healthimaging.errors import NotServedError, ServiceError, ValidationError
from local.healthimaging.image_sets import ImageSets
from local.healthimaging.importer import Importer
from local.healthimaging.jobs import ImportJobs
from local.healthimaging.ports import Access, Document, Events, Roles
from local.healthimaging.store import Store
from local.healthimaging.wire import Answer, Wire

IMPORT_THREADS = 2
_PAGE = 50
_NOT_SERVED = ("UpdateImageSetMetadata", "CopyImageSet")

Operation = Callable[[Document], Document]


class Service:
    """HealthImaging for one account and region, its state below `folder`."""

    def __init__(self, folder: Path, arn_prefix: str, *, events: Events, roles: Roles, access: Access) -> None:
        self._wire = Wire()
        self._access = access
        self._store = Store(folder)
        self.datastores = DataStores(self._store, events, arn_prefix)
        self.image_sets = ImageSets(self._store, events, arn_prefix)
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.jobs = ImportJobs(self._store, self.datastores, events, roles, self._queue.put)
        self._importer = Importer(self._store, self.image_sets, self.jobs, roles)
        self._threads: list[threading.Thread] = []
        self._operations: dict[str, Operation] = {
            "CreateDatastore": self.datastores.create,
            "GetDatastore": lambda p: {"datastoreProperties": self.datastores.find(p["datastoreId"])},
            "ListDatastores": self._list_datastores,
            "DeleteDatastore": lambda p: self.datastores.delete(p["datastoreId"]),
            "StartDICOMImportJob": self.jobs.start,
            "GetDICOMImportJob": lambda p: {"jobProperties": self.jobs.properties(p["datastoreId"], p["jobId"])},
            "ListDICOMImportJobs": self._list_jobs,
            "SearchImageSets": self._search,
            "GetImageSet": lambda p: self.image_sets.properties(p["datastoreId"], p["imageSetId"], p.get("versionId")),
            "GetImageSetMetadata": self._metadata,
            "GetImageFrame": self._frame,
            "ListImageSetVersions": self._list_versions,
            "DeleteImageSet": lambda p: self.image_sets.delete(p["datastoreId"], p["imageSetId"]),
            "ListTagsForResource": lambda p: {"tags": self.datastores.tags(p["resourceArn"])},
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def handle(self, method: str, path: str, query: Document, body: bytes) -> Answer:
        """Serve one request; every modelled error becomes its answer."""
        try:
            call = self._wire.parse(method, path, query, body)
            self._authorise(call.operation, call.parameters)
            if call.operation in _NOT_SERVED:
                raise NotServedError(f"{call.operation} is not served by the embedded AWS")
            return self._wire.answer(call.operation, self._operations[call.operation](call.parameters))
        except ServiceError as error:
            return self._wire.failure(error)

    def start(self) -> None:
        """Start the import threads and take up the jobs that a stop or a kill left unfinished."""
        for number in range(IMPORT_THREADS):
            thread = threading.Thread(target=self._work, name=f"dicom-import-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        for identifier in self.jobs.unfinished():
            self._queue.put(identifier)

    def stop(self, seconds: float = 10) -> None:
        """Let the threads end; a job that does not end in time goes on at the next start."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def run_waiting_jobs(self) -> None:
        """Import on the calling thread until no job waits: for callers without threads of their own."""
        while not self._queue.empty():
            identifier = self._queue.get()
            if identifier is not None:
                self._importer.run(identifier)

    def _work(self) -> None:
        while True:
            identifier = self._queue.get()
            if identifier is None:
                return
            self._importer.run(identifier)

    def _authorise(self, operation: str, parameters: Document) -> None:
        """IAM by the service authorization reference: account, data store or image set as the resource."""
        if "resourceArn" in parameters:
            resource = parameters["resourceArn"]
        elif operation in ("CreateDatastore", "ListDatastores"):
            resource = "*"
        elif "imageSetId" in parameters or "sourceImageSetId" in parameters:
            image_set = parameters.get("imageSetId") or parameters["sourceImageSetId"]
            resource = self.image_sets.arn(parameters["datastoreId"], image_set)
        else:
            resource = self.datastores.arn(parameters["datastoreId"])
        self._access.require(f"medical-imaging:{operation}", resource)
        if operation == "StartDICOMImportJob":
            self._access.require("iam:PassRole", parameters["dataAccessRoleArn"])

    def _list_datastores(self, parameters: Document) -> Document:
        return _page(self.datastores.listing(parameters.get("datastoreStatus")), parameters, "datastoreSummaries")

    def _list_jobs(self, parameters: Document) -> Document:
        found = self.jobs.listing(parameters["datastoreId"], parameters.get("jobStatus"))
        return _page(found, parameters, "jobSummaries")

    def _list_versions(self, parameters: Document) -> Document:
        found = self.image_sets.versions(parameters["datastoreId"], parameters["imageSetId"])
        return _page(found, parameters, "imageSetPropertiesList")

    def _search(self, parameters: Document) -> Document:
        self.datastores.require_active(parameters["datastoreId"])
        bodies = self._store.all("image-set", parameters["datastoreId"])
        found, sort = search.search(bodies, parameters.get("searchCriteria", {}))
        return {**_page(found, parameters, "imageSetsMetadataSummaries"), "sort": sort}

    def _metadata(self, parameters: Document) -> Document:
        blob = self.image_sets.metadata(
            parameters["datastoreId"], parameters["imageSetId"], parameters.get("versionId")
        )
        return {"imageSetMetadataBlob": blob, "contentType": "application/json", "contentEncoding": "gzip"}

    def _frame(self, parameters: Document) -> Document:
        frame = parameters["imageFrameInformation"]["imageFrameId"]
        data, content_type = self.image_sets.frame(parameters["datastoreId"], parameters["imageSetId"], frame)
        return {"imageFrameBlob": data, "contentType": content_type}

    def _tag(self, parameters: Document) -> Document:
        self.datastores.tag(parameters["resourceArn"], parameters["tags"])
        return {}

    def _untag(self, parameters: Document) -> Document:
        self.datastores.untag(parameters["resourceArn"], parameters["tagKeys"])
        return {}


def _page(items: list[Document], parameters: Document, key: str) -> Document:
    """One page of a listing; the token is the position of the next item."""
    token = parameters.get("nextToken", "0")
    if not token.isdigit():
        raise ValidationError("The nextToken is not one of this service")
    start = int(token)
    end = start + parameters.get("maxResults", _PAGE)
    page: Document = {key: items[start:end]}
    if end < len(items):
        page["nextToken"] = str(end)
    return page
