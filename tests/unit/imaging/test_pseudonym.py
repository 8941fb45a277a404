"""Pseudonyms are keyed, stable and separate by domain."""

import hashlib
import hmac
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.pseudonym import Pseudonymizer, key_from_secret, subject

KEY = bytes(range(32))


def test_pseudonym_is_the_documented_keyed_hash() -> None:
    expected = hmac.new(KEY, b"study:1.2.3", hashlib.sha256).hexdigest()[:32]
    assert Pseudonymizer(KEY).pseudonym("study", "1.2.3 ") == expected


def test_replacement_uid_is_128_bits_of_the_documented_hash() -> None:
    digest = hmac.new(KEY, b"uid:1.2.3", hashlib.sha256).digest()
    assert Pseudonymizer(KEY).uid("1.2.3\0".rstrip("\0")) == f"2.25.{int.from_bytes(digest[:16], 'big')}"


@given(uid=st.text(alphabet="0123456789.", min_size=1, max_size=64))
def test_replacement_uids_are_valid(uid: str) -> None:
    replaced = Pseudonymizer(KEY).uid(uid)
    assert len(replaced) <= 64
    assert not replaced[5:].startswith("0") or replaced == "2.25.0"


@given(patient=st.text(max_size=64))
def test_date_shift_is_one_day_to_one_year_and_stable(patient: str) -> None:
    days = Pseudonymizer(KEY).date_shift_days(patient)
    assert 1 <= days <= 365
    assert days == Pseudonymizer(KEY).date_shift_days(f" {patient} ")


def test_domains_and_keys_separate_equal_values() -> None:
    ours, theirs = Pseudonymizer(KEY), Pseudonymizer(KEY[::-1])
    keys = {ours.pseudonym(domain, "1.2.3") for domain in ("patient", "study", "series", "image")}
    assert len(keys) == 4
    assert theirs.pseudonym("study", "1.2.3") not in keys


def test_another_process_gives_the_same_pseudonym() -> None:
    code = "from imaging.pseudonym import Pseudonymizer as P; print(P(bytes(range(32))).pseudonym('image', '1.2.3'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == Pseudonymizer(KEY).pseudonym("image", "1.2.3")


def test_images_without_patient_id_are_not_one_patient() -> None:
    first, second = subject("", "1.2.3"), subject(" ", "1.2.4")
    assert first != second
    assert subject("MRN1", "1.2.3") == "MRN1"


def test_key_is_never_shown() -> None:
    assert KEY.hex() not in repr(Pseudonymizer(KEY))
    assert key_from_secret(KEY.hex() + "\n") == KEY


@pytest.mark.parametrize(
    "secret", ["", "abcd", "not hex at all", "ff" * 31], ids=["empty", "short", "text", "31 bytes"]
)
def test_unusable_keys_are_refused_without_repeating_them(secret: str) -> None:
    with pytest.raises(ValueError) as caught:
        key_from_secret(secret)
    assert not secret or secret not in str(caught.value)
