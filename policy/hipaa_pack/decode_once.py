"""Makes the SDK decode a resource once, not once a policy.

`pulumi_policy` 1.21 turns the wire form of a resource into a tree anew for each of its policies: with two hundred rules
and three hundred resources that is most of a preview's time. The trees are read only (rules get proxies), so the last
few are kept. Remove this when the SDK does it itself.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pulumi_policy.policy as sdk

_KEPT = 8


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    kept: list[tuple[Any, tuple[Any, ...], Any]] = []  # the argument is held, so that its identity stays its own

    def remembered(argument: Any, *options: Any) -> Any:
        for known, known_options, answer in kept:
            if known is argument and known_options == options:
                return answer
        answer = function(argument, *options)
        kept.append((argument, options, answer))
        del kept[:-_KEPT]
        return answer

    return remembered


def install() -> None:
    """Put the memory between the SDK and its decoders."""
    module: Any = sdk
    decoder = module.json_format
    module.json_format = SimpleNamespace(MessageToDict=_once(decoder.MessageToDict), ParseDict=decoder.ParseDict)
    module.deserialize_properties = _once(module.deserialize_properties)
