"""Proves a layer: imports every public module of lambda_shared and imaging and names the one that fails.

``python -m lambda_shared.canary`` ends with status 1 on the first layer that lacks something.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys


def public_modules(package_name: str) -> list[str]:
    """Every module of a package whose path has no part that starts with an underscore."""
    package = importlib.import_module(package_name)
    found = [module.name for module in pkgutil.walk_packages(package.__path__, prefix=f"{package_name}.")]
    return [package_name, *(name for name in found if not any(part.startswith("_") for part in name.split(".")))]


def failures(package_names: tuple[str, ...]) -> dict[str, str]:
    """Module -> name of the exception, for every public module that cannot be imported."""
    failed: dict[str, str] = {}
    for package_name in package_names:
        try:
            names = public_modules(package_name)
        except ImportError as error:
            failed[package_name] = f"{type(error).__name__}: {error.name}"
            continue
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError as error:
                failed[name] = f"{type(error).__name__}: {error.name}"
    return failed


def main() -> int:
    """Print what fails to import; 0 when nothing does."""
    failed = failures(("lambda_shared", "imaging"))
    for name, reason in failed.items():
        sys.stderr.write(f"{name} cannot be imported: {reason}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
