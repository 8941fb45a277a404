"""Stand-in for `pulumi-analyzer-policy-python`: runs the policy pack in the current folder.

The engine passes its own address and the folder (".") as arguments and reads the port that the pack prints.
"""

from __future__ import annotations

import runpy

from local.engine.plugin_process import follow_engine


def main() -> None:
    follow_engine()
    runpy.run_path(".", run_name="__main__")


if __name__ == "__main__":
    main()
