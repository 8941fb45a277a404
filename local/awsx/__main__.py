"""`python -m local.awsx ENGINE_ADDRESS`: the awsx plugin."""

from __future__ import annotations

import sys

import pulumi
from pulumi.provider import ConstructResult, Provider
from pulumi.provider.server import main as serve

from local.engine import plugin_process

from .component import TYPE, Vpc
from .layout import LayoutError

VERSION = "3.11.0"


class AwsxProvider(Provider):
    """Constructs awsx.ec2.Vpc and refuses everything else by name."""

    def __init__(self) -> None:
        super().__init__(VERSION)

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        if resource_type != TYPE:
            raise NotImplementedError(f"{resource_type} ({name}) is not a component of the local awsx provider")
        try:
            component = Vpc(name, inputs, options or pulumi.ResourceOptions())
        except LayoutError as error:
            raise pulumi.InputPropertyError(error.path, str(error)) from error
        return ConstructResult(component.urn, component.state)


def main() -> None:
    """Serves until the engine ends."""
    plugin_process.follow_engine()
    serve(AwsxProvider(), sys.argv[1:])


if __name__ == "__main__":
    main()
