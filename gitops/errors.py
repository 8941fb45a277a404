"""What stops a command of this package; the message is a sentence that says what to do."""

from __future__ import annotations


class GitopsError(RuntimeError):
    """The input cannot be used: an unreadable file, an unknown stack, an answer of GitHub that is none."""


class RefusedError(GitopsError):
    """The input is in order and the answer is no: a plan that does not match, a commit that may not be promoted."""
