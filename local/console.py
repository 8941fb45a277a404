"""What people see: numbered steps with their time, live lines, and a final table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

T = TypeVar("T")

console = Console(highlight=False, soft_wrap=True)


@dataclass
class Steps:
    """Numbered steps of a long command; keeps each one's seconds for the report."""

    total: int
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, time it, and say when it is done."""
        number = len(self.seconds) + 1
        console.print(f"\n[bold cyan]\\[{number}/{self.total}][/] [bold]{escape(title)}[/]")
        started = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - started
        console.print(f"      [dim]done in {self.seconds[title]:.1f} s[/]")


def tell(text: str) -> None:
    """One indented line below the current step."""
    console.print(f"      {escape(text)}")


class Ticker:
    """A line that changes: rewritten in a terminal, printed at most every few seconds elsewhere."""

    def __init__(self, seconds_between: float = 5.0) -> None:
        self._between = seconds_between
        self._last_text = ""
        self._last_time = 0.0

    def show(self, text: str) -> None:
        """Show `text` when it is new and it is time."""
        if text == self._last_text:
            return
        now = time.monotonic()
        if console.is_terminal:
            console.print(f"      {escape(text)}", end="\r", overflow="crop", no_wrap=True)
        elif now - self._last_time < self._between:
            return
        else:
            tell(text)
        self._last_text, self._last_time = text, now

    def end(self, text: str) -> None:
        """Leave a last line."""
        if console.is_terminal:
            console.print(" " * (console.width - 1), end="\r")
        tell(text)


class GaveUpError(RuntimeError):
    """Something that was waited for did not happen; the message says what, and where to look."""


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float, every: float = 0.5) -> T:
    """Call `look` until it returns something; GaveUpError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise GaveUpError(f"{what} did not happen within {seconds:.0f} s. Look into .run/aws/log.txt.")
        time.sleep(every)
