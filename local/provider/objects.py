"""`Object`: a thing of its own, made, described, updated and deleted by operations of one service."""

from __future__ import annotations

from typing import Any, ClassVar

import jmespath

from .clients import Aws
from .kind import HalfMadeError, Kind, Values, is_gone
from .shapes import fit, same, unfit


class Object(Kind):
    """create_op gives its id; read, update and delete find it by `keys`."""

    create_op = read_op = update_op = delete_op = waiter = ""
    key: ClassVar[str] = ""  # the one parameter that takes the id ...
    keys: ClassVar[dict[str, str]] = {}  # ... or several, as texts over the state and {id}
    id_at: ClassVar[str] = ""  # where create_op's reply has the id (default: its `key`), or a text over the inputs
    body_at: ClassVar[str] = "@"  # where read_op's reply has the description ({id} is filled in)
    outputs: ClassVar[dict[str, str]] = {}  # output -> place in the description, or a text with {id} {aws.region}
    create_only: ClassVar[str] = ""  # inputs that update_op does not take
    tag_ops: ClassVar[str] = "tag_resource untag_resource"
    list_tags: ClassVar[str] = "list_tags_for_resource"
    tag_key: ClassVar[str] = "ResourceArn"  # parameter of the tag operations
    tag_target: ClassVar[str] = "arn"  # output (or "id") that goes in there

    def key_args(self, aws: Aws, id: str, state: Values) -> Values:
        """Parameters that find the object."""
        if self.keys:
            return {k: text.format_map({**state, "id": id}) for k, text in self.keys.items()}
        return {self.key: id}

    def dry_fit(self, aws: Aws, new: Values) -> None:
        fit(aws.shape(self.service, self.create_op), self.sent(new), self.rename)

    def create_args(self, aws: Aws, new: Values) -> Values:
        """Parameters of create_op."""
        return fit(aws.shape(self.service, self.create_op), self.sent(new), self.rename)

    def create(self, aws: Aws, new: Values) -> str:
        reply = self.call(aws, self.create_op, **self.create_args(aws, new))
        id = self.identify(reply, new)
        try:
            self.wait(aws, id, new)
            self.after_create(aws, id, new)
        except Exception as error:
            raise HalfMadeError(id, error) from error
        return id

    def wait(self, aws: Aws, id: str, new: Values) -> None:
        """Blocks until the new object can be used."""
        if self.waiter:
            aws.client(self.service).get_waiter(self.waiter).wait(
                **self.key_args(aws, id, new), WaiterConfig={"Delay": 0.2, "MaxAttempts": 1500}
            )

    def identify(self, reply: Values, new: Values) -> str:
        """The id, from the reply or from the inputs."""
        place = self.id_at or self.key
        return place.format_map(new) if "{" in place else str(jmespath.search(place, reply))

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        """Settings that have an operation of their own."""

    def describe(self, aws: Aws, id: str, known: Values) -> Values | None:
        """The service's own description, None when the object is gone."""
        try:
            reply = self.call(aws, self.read_op, **self.read_args(aws, id, known))
        except Exception as error:
            if is_gone(error):
                return None
            raise
        return jmespath.search(self.body_at.replace("{id}", id), reply)

    def read_args(self, aws: Aws, id: str, known: Values) -> Values:
        """Parameters of read_op."""
        return self.key_args(aws, id, known)

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:
        body = self.describe(aws, id, known)
        if body is None:
            return None
        found = self.from_api(aws, body, known)
        for output, place in self.outputs.items():
            found[output] = self.output(aws, id, place, body, {**known, **found})
        if self.taggable:
            self.put_tags(found, self.read_tags(aws, str(found.get(self.tag_target, id)), body), known)
        self.refine(aws, id, body, found, known)
        return found

    def output(self, aws: Aws, id: str, place: str, body: Values, state: Values) -> Any:
        """One output, from the description or as a text."""
        if "{" in place:
            return place.format_map({**state, "id": id, "aws": aws})
        return jmespath.search(place, body)

    def from_api(self, aws: Aws, body: Values, known: Values) -> Values:
        """Inputs as the service has them now, in the form in which the program gave them."""
        like = {k: v for k, v in self.sent(known).items() if k != "tags"}
        shape = aws.shape(self.service, self.update_op or self.create_op)
        wide = aws.shape(self.service, self.create_op)
        shape = wide if len(wide.members) >= len(shape.members) else shape
        return unfit(shape, body, like, self.rename)

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        """Last changes to the outputs of `read`."""

    def read_tags(self, aws: Aws, target: str, body: Values) -> Values:
        """The object's tags as a mapping."""
        reply = self.call(aws, self.list_tags, **{self.tag_key: target})
        tags = next((v for k, v in reply.items() if k.lower().startswith("tag")), {})
        return tag_map(tags)

    def put_tags(self, found: Values, tags: Values, known: Values) -> None:
        """`tagsAll` as found, and `tags` without what came from the default tags."""
        defaults = {k: v for k, v in (known.get("tagsAll") or {}).items() if k not in (known.get("tags") or {})}
        found["tagsAll"] = tags
        own = {k: v for k, v in tags.items() if defaults.get(k) != v}
        if own or known.get("tags") is not None:
            found["tags"] = own

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        if self.taggable and self.changed(old, new, "tagsAll"):
            self.update_tags(aws, id, old, new)
        before, after = self.updatable(old), self.updatable(new)
        if self.update_op and not same(before, after):
            self.call(aws, self.update_op, **self.update_args(aws, id, old, new))

    def updatable(self, values: Values) -> Values:
        """Inputs that go into update_op."""
        skip = self.replace_keys | {"tags", *self.create_only.split()}
        return {k: v for k, v in self.sent(values).items() if k not in skip}

    def update_args(self, aws: Aws, id: str, old: Values, new: Values) -> Values:
        """Parameters of update_op."""
        shape = aws.shape(self.service, self.update_op)
        return fit(shape, self.updatable(new), self.rename) | self.key_args(aws, id, new)

    def update_tags(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        """Removes the tags that went and writes the others."""
        before, after = old.get("tagsAll") or {}, new.get("tagsAll") or {}
        target = {self.tag_key: self.tag_value(aws, id, old)}
        tag_op, untag_op = self.tag_ops.split()
        if gone := sorted(before.keys() - after.keys()):
            members = aws.shape(self.service, untag_op).members
            keys = next(m for m in members if "tag" in m.lower() and m != self.tag_key)
            self.call(aws, untag_op, **target, **{keys: gone})
        if after:
            self.call(aws, tag_op, **target, **fit(aws.shape(self.service, tag_op), {"tags": after}))

    def tag_value(self, aws: Aws, id: str, old: Values) -> Any:
        """What the tag operations take as the object."""
        if self.tag_target == "id":
            return id
        state = old["__state"]
        if self.tag_target not in state:  # half made: the read after the creation failed
            state = self.read(aws, id, {k: v for k, v in old.items() if k != "__state"}) or {}
        return state[self.tag_target]

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, self.delete_op, **self.key_args(aws, id, old))


def tag_map(tags: Any) -> Values:
    """Tags as a mapping, from a mapping or from a list of Key/Value or TagKey/TagValue."""
    if isinstance(tags, dict):
        return tags
    pairs = [{k.lower().removeprefix("tag"): v for k, v in t.items()} for t in tags]
    return {p["key"]: p.get("value", "") for p in pairs}
