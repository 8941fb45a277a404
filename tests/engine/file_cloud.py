"""An AWS provider whose cloud is one JSON file: what the engine makes is in it, and a test edits it to make drift.

It knows no service. Resources echo their inputs, with an id and an ARN; `$FILE_CLOUD` is the file.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc

from local.engine.plugin_process import serve
from tests.engine.echo_provider import Echo

Properties = dict[str, Any]


class FileCloud(Echo):
    """One account in one file, written whole after each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = _plain(request.old_inputs), _plain(request.news)
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        kind = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        update = pb.PropertyDiff(kind=pb.PropertyDiff.UPDATE, inputDiff=True)
        return pb.DiffResponse(
            changes=kind, diffs=changed, detailedDiff=dict.fromkeys(changed, update), hasDetailedDiff=True
        )

    def Create(self, request: Any, context: Any) -> Any:
        name = request.urn.rsplit("::", 1)[1]
        made = _plain(request.properties) | {"arn": f"arn:aws:cloud:us-east-1:111122223333:{name}"}
        if not request.preview:
            self._put(name, made)
        return pb.CreateResponse(id="" if request.preview else name, properties=_struct(made))

    def Read(self, request: Any, context: Any) -> Any:
        found = self._all().get(request.id)
        if found is None:
            return pb.ReadResponse()
        inputs = {key: found.get(key) for key in _plain(request.inputs)}  # as pulumi-aws: inputs are read back, too
        return pb.ReadResponse(id=request.id, properties=_struct(found), inputs=_struct(inputs))

    def Update(self, request: Any, context: Any) -> Any:
        made = _plain(request.news) | {"arn": _plain(request.olds).get("arn")}
        if not request.preview:
            self._put(request.id, made)
        return pb.UpdateResponse(properties=_struct(made))

    def Delete(self, request: Any, context: Any) -> Any:
        self._put(request.id, None)
        return empty_pb2.Empty()

    def _all(self) -> dict[str, Properties]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _put(self, name: str, made: Properties | None) -> None:
        with self._lock:
            there = {key: value for key, value in self._all().items() if key != name}
            self._path.write_text(json.dumps(there if made is None else there | {name: made}, indent=1))


def _plain(given: Any) -> Properties:
    return json_format.MessageToDict(given)


def _struct(values: Properties) -> Any:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def main() -> None:
    cloud = FileCloud(Path(os.environ["FILE_CLOUD"]))
    serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(cloud, server))


if __name__ == "__main__":
    main()
