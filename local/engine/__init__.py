"""The real Pulumi engine on one machine: the CLI, a private PULUMI_HOME and the environment to run them in."""

from local.engine.home import environment
from local.engine.paths import ROOT
from local.engine.pulumi_cli import ensure_cli

__all__ = ["ROOT", "ensure_cli", "environment"]
