"""Commands around the container images: `python -m tools.images --help`. It prints commands and runs none.

python -m tools.images list
python -m tools.images base training --region us-east-1
python -m tools.images command api --repository 111122223333.dkr.ecr.us-east-1.amazonaws.com/NAME --tag 1a2b3c4
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "containers"
BASED_ON_AWS = {"training": ("2.21", "py312", "ml.g4dn.xlarge"), "inference": ("2.20", None, "ml.m5.xlarge")}
"""Image on an AWS deep-learning container -> its TensorFlow version, Python and a machine of its kind, as
training.sdk_jobs asks the SageMaker SDK for it; a test holds the two together."""
BY_DIGEST = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}")


class Address(NamedTuple):
    """An image of an ECR registry."""

    account: str
    region: str
    repository: str
    tag: str


def images() -> list[str]:
    """Every image that has a Dockerfile."""
    return sorted(path.parent.name for path in FOLDER.glob("*/Dockerfile"))


def aws_base(name: str, region: str) -> str:
    """`registry/repository:tag` of the AWS container that an image is based on, from the SageMaker SDK's own table."""
    from sagemaker.core import image_uris

    version, python, machine = BASED_ON_AWS[name]
    return image_uris.retrieve(
        "tensorflow", region, version=version, py_version=python, instance_type=machine, image_scope=name
    )


def digest_command(address: str) -> str:
    """The AWS CLI command that asks the registry for the digest behind a tag."""
    found = re.fullmatch(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z.]+/([a-z0-9._/-]+):([\w.-]+)", address)
    if found is None:
        raise ValueError(f"{address} is no image of an ECR registry")
    of = Address(*found.groups())
    return (
        f"aws ecr batch-get-image --region {of.region} --registry-id {of.account} --repository-name {of.repository} "
        f"--image-ids imageTag={of.tag} --query 'images[0].imageId.imageDigest' --output text"
    )


def build_command(name: str, repository: str, tag: str, base: str | None) -> list[str]:
    """The docker command that builds and pushes one image. Raises ValueError when its base is not by digest."""
    if (name in BASED_ON_AWS) != (base is not None):
        raise ValueError(f"{name} {'needs' if name in BASED_ON_AWS else 'takes no'} --base")
    if base is not None and not BY_DIGEST.fullmatch(base):
        raise ValueError(f"--base is {base} but must end in @sha256: and 64 hex digits: a tag can move to other code")
    arguments = ["--build-arg", f"BASE={base}"] if base else []
    return [
        *("docker", "buildx", "build", "--platform", "linux/amd64", "--provenance=mode=max", "--sbom=true"),
        *("--file", f"containers/{name}/Dockerfile", "--tag", f"{repository}:{tag}", "--push"),
        *("--metadata-file", f"build/images/{name}.json", *arguments, "."),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("list", help="every image that has a Dockerfile")
    base = commands.add_parser("base", help="the AWS container that an image is based on, and how to get its digest")
    base.add_argument("name", choices=sorted(BASED_ON_AWS))
    base.add_argument("--region", default="us-east-1")
    command = commands.add_parser("command", help="the docker command that builds and pushes an image")
    command.add_argument("name", choices=images())
    command.add_argument("--repository", required=True, help="address of the ECR repository")
    command.add_argument("--tag", required=True, help="the commit: tags of the repositories cannot move")
    command.add_argument("--base", help="address by digest, for images on an AWS container")
    given = parser.parse_args()
    try:
        lines = _answer(given)
    except ValueError as error:
        sys.stderr.write(f"images: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _answer(given: argparse.Namespace) -> list[str]:
    if given.what == "list":
        return images()
    if given.what == "base":
        address = aws_base(given.name, given.region)
        return [address, digest_command(address)]
    return [shlex.join(build_command(given.name, given.repository, given.tag, given.base))]


if __name__ == "__main__":
    sys.exit(main())
