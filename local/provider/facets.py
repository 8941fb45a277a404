"""`Facet`: a setting of a parent object, put and read as a whole; its id is the parent's."""

from __future__ import annotations

from typing import ClassVar

from .clients import Aws
from .kind import Kind, Values, is_gone
from .shapes import fit, unfit


class Facet(Kind):
    """Four attributes are enough for most settings of an S3 bucket."""

    parent: ClassVar[str] = "bucket"  # input
    key: ClassVar[str] = "Bucket"  # parameter
    put_op = get_op = delete_op = ""
    body: ClassVar[str] = ""  # parameter that holds all other inputs
    undo: ClassVar[Values] = {}  # parameters of put_op when there is no delete_op

    @property
    def replace_keys(self) -> set[str]:
        return {self.parent, "region", *self.replaces.split()}

    def create(self, aws: Aws, new: Values) -> str:
        self.put(aws, new)
        return new[self.parent]

    def put(self, aws: Aws, new: Values) -> None:
        """Writes the whole setting."""
        self.call(aws, self.put_op, **{self.key: new[self.parent]}, **self.to_api(aws, new))

    def dry_fit(self, aws: Aws, new: Values) -> None:
        self.to_api(aws, new)

    def to_api(self, aws: Aws, new: Values) -> Values:
        """Parameters of put_op beside the parent."""
        values = {k: v for k, v in self.sent(new).items() if k != self.parent}
        shape = aws.shape(self.service, self.put_op)
        if self.body:
            return {self.body: fit(shape.members[self.body], values, self.rename)}
        return fit(shape, values, self.rename)

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:
        try:
            reply = self.call(aws, self.get_op, **{self.key: id})
        except Exception as error:
            if is_gone(error):
                return None
            raise
        like = {k: v for k, v in self.sent(known).items() if k != self.parent}
        found = self.from_api(aws, reply, like)
        return None if found is None else {self.parent: id, **found}

    def from_api(self, aws: Aws, reply: Values, like: Values) -> Values | None:
        """Inputs as the service has them now; None when the setting is not there."""
        shape = aws.shape(self.service, self.put_op)
        if self.body:
            shape = shape.members[self.body]
            reply = reply.get(self.body, reply)
        return unfit(shape, reply, like, self.rename)

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        self.put(aws, new)

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, self.delete_op or self.put_op, **{self.key: id}, **self.undo)
