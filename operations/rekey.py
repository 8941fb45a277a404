"""A new data key for the secrets in a stack's state and stack file: what the engine encrypts, not what KMS does.

The engine draws one data key a stack and keeps it, wrapped by the stack's KMS key, as `encryptedkey`. Rotating the KMS
key leaves it; `pulumi stack change-secrets-provider` draws another, also when the provider stays the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import yaml

from operations.unlock import Unlock, UnlockError

_CIPHERTEXT: Final = re.compile(r'"ciphertext":')
_BY_KMS: Final = "awskms://"


@dataclass(frozen=True, kw_only=True)
class Rekey:
    """One stack's secrets.

    Attributes:
        file: its stack file, which is written.
        provider: address of the KMS key that wraps the new data key; "" keeps the one of today.
    """

    unlock: Unlock
    file: Path
    provider: str = ""

    def plan(self) -> tuple[str, str]:
        """(today's provider, the next one). Raises UnlockError where a person has to type a passphrase."""
        if not self.file.exists():
            raise UnlockError(f"There is no {self.file.name} here: run it in the checkout, the file is written.")
        today = str(self._told().get("secretsprovider", ""))
        wanted = self.provider or today
        if not wanted.startswith(_BY_KMS):
            raise UnlockError(
                f"{self.file.name} names no KMS key as `secretsprovider`: its secrets hang on a passphrase, which a "
                f"person types: pulumi stack change-secrets-provider passphrase --stack {self.unlock.stack}"
            )
        return today, wanted

    def change(self, *, reason: str, now: datetime) -> str:
        """Encrypt every secret anew under a new data key; where the record lies.

        Raises UnlockError, with nothing changed, while an update holds the stack or no reason is given; and when the
        engine failed.
        """
        today, wanted = self.plan()
        stack, state = self.unlock.stack, self.unlock.state()
        if self.unlock.holders(state):
            raise UnlockError(f"{stack} is locked: make unlock-{stack} tells by whom.")
        told = {**self.unlock.deed(state, reason=reason, now=now), "from": today, "to": wanted}
        before, key = self.secrets(), self._told().get("encryptedkey")
        record = self.unlock.keep(state, "rekey.json", told, now=now)
        self.unlock.ask("stack", "change-secrets-provider", wanted, "--stack", stack)
        if self._told().get("encryptedkey") == key or self.secrets() != before:
            raise UnlockError(f"The data key or the number of secrets is not as expected: restore {self.file.name}.")
        return record

    def secrets(self) -> int:
        """How many secrets the state holds; they stay encrypted."""
        return len(_CIPHERTEXT.findall(self.unlock.ask("stack", "export", "--stack", self.unlock.stack)))

    def _told(self) -> dict[str, Any]:
        return cast("dict[str, Any]", yaml.safe_load(self.file.read_text()) or {})


def carry_out(rekey: Rekey, *, confirm: bool, reason: str, now: datetime, say: Callable[[str], None]) -> int:
    """Say what would be encrypted anew, and do it when confirmed. Answers 0. Raises UnlockError when it is refused."""
    today, wanted = rekey.plan()
    stack = rekey.unlock.stack
    say(f"{stack}: {rekey.secrets()} secrets in the state, and those of {rekey.file.name}")
    say(f"their data key is wrapped by {today or 'a passphrase'}; a new one would be by {wanted}")
    if not confirm:
        say(f'Nothing was changed. To do it: make rekey-{stack} CONFIRM=yes REASON="..."')
        return 0
    record = rekey.change(reason=reason, now=now)
    say(f"done; who, when and why is kept beside the state in {record}")
    say(f"Commit {rekey.file.name} before the next deployment, which encrypts with the key that the file holds.")
    return 0
