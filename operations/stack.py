"""The stack that a command works on: its names follow the naming rule of `components/_base.py`."""

from __future__ import annotations

from typing import Annotated

import boto3
import typer

PROJECT = "healthcare-imaging-mlops"
Stack = Annotated[str, typer.Option(help="Name of the Pulumi stack.", envvar="IMAGING_STACK")]


def prefix(stack: str) -> str:
    """What the stack's physical names begin with."""
    return f"{PROJECT}-{stack}"


def account() -> str:
    """The account of the credentials."""
    return str(boto3.client("sts").get_caller_identity()["Account"])
