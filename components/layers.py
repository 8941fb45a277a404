"""The Lambda layers, from the folders that `make layers` builds out of the lock files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent

LayerName = Literal["shared", "evaluation", "api"]

CONTENTS: Final[dict[LayerName, str]] = {
    "shared": "lambda_shared, imaging, powertools, pydantic, pydicom",
    "evaluation": "numpy, onnxruntime",
    "api": "fastapi, mangum",
}


class LayersMissingError(pulumi.RunError):
    """A layer's folder was not built; the engine shows the sentence without a traceback."""


@dataclass(frozen=True, kw_only=True)
class LayersArgs:
    """What is built where.

    Attributes:
        runtime: Lambda runtime, for example "python3.12"; wheels in a layer fit one runtime only.
        root: Folder with `<runtime>/<layer>/python/...`.
    """

    context: Context
    runtime: str
    root: Path = Path("build/layers")


class Layers(PlatformComponent):
    """One version of each layer. A new version replaces the old one, which stays for functions still using it.

    Raises:
        LayersMissingError: A folder is missing; the sentence says what builds it.
    """

    shared_arn: pulumi.Output[str]
    evaluation_arn: pulumi.Output[str]
    api_arn: pulumi.Output[str]

    def __init__(self, name: str, args: LayersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:layers:Layers", name, opts)
        self.shared_arn = self._build_layer(name, args, "shared")
        self.evaluation_arn = self._build_layer(name, args, "evaluation")
        self.api_arn = self._build_layer(name, args, "api")
        self.register_outputs(
            {"shared_arn": self.shared_arn, "evaluation_arn": self.evaluation_arn, "api_arn": self.api_arn}
        )

    def _build_layer(self, name: str, args: LayersArgs, layer: LayerName) -> pulumi.Output[str]:
        folder = args.root / args.runtime / layer
        if not (folder / "python").is_dir():
            raise LayersMissingError(
                f"The layer {layer!r} for {args.runtime} is not built: run `make layers`, which fills {folder}/python"
            )
        version = aws.lambda_.LayerVersion(
            f"{name}-{layer}",
            layer_name=args.context.naming.name(layer),
            description=CONTENTS[layer],
            code=pulumi.FileArchive(str(folder)),
            compatible_runtimes=[args.runtime],
            skip_destroy=True,  # a running function must never lose the version it was started with
            opts=self.child(),
        )
        return version.arn
