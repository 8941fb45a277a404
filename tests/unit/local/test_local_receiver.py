"""The receiver over the local stack is configured safely, and with a key that stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import receiver
from local.console import GaveUpError
from local.stack import LocalStack
from services.store_scp import configuration, insecure


def test_the_local_configuration_is_safe_and_listens_on_loopback_only(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path)
    text = receiver.configuration(stack, "landing-bucket", 11112)
    read = configuration.parse(text)
    insecure.refuse(read)
    assert [one.address for one in read.listeners] == ["127.0.0.1"]
    assert read.store.s3 is not None
    assert read.store.s3.bucket == "landing-bucket"
    assert receiver.configuration(stack, "landing-bucket", 11112) == text, "names must not change from start to start"
    assert receiver.CALLED in receiver.sending(11112)


def test_without_a_stack_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GaveUpError, match="make up"):
        receiver.receive(LocalStack(tmp_path), 11112)
