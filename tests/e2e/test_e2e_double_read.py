"""Two radiologists read the same study without knowing of each other; where they differ, a third decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.browsing import fill_in, open_panel, open_study

FIRST_NOTES = "consolidation, seen by the first reader"


@pytest.fixture
def size() -> str:
    return "desktop"


@pytest.fixture
def reads_are_double(hospital: Any) -> Iterator[None]:
    """The local stack reads once (its data says so); for this test its API is told what production's is."""
    functions = cloud(hospital).client("lambda")
    [name] = [
        one["FunctionName"]
        for one in functions.list_functions()["Functions"]
        if one["FunctionName"].endswith("radiologist-api")
    ]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**before, "READERS_PER_STUDY": "2"}}
    )
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@pytest.fixture
def third_reader(hospital: Any) -> str:
    """A radiologist more, with the right to the patient."""
    from local.demo.clients import assign, make_person, sign_in, subject_of

    found = cloud(hospital)
    person = make_person(found, hospital.outputs["user_pool_id"], "radiologist", "third-reader@demo.invalid")
    hospital.people["third-reader"] = person
    token = sign_in(found, hospital.outputs["user_pool_client_id"], person)
    assign(api(hospital, "admin"), subject_of(token), [hospital.patient_key])
    return "third-reader"


def cloud(hospital: Any) -> Any:
    from local.cloud import Cloud

    return Cloud(hospital.environment)


def api(hospital: Any, role: str) -> Any:
    from local.demo.clients import Api

    return Api(hospital.outputs["api_url"], hospital.tokens[role], hospital.environment["AWS_CA_BUNDLE"])


@pytest.fixture
def reader(hospital: Any, new_page: Callable[[], Any], sign_in: Any) -> Callable[[str], Any]:
    """Somebody at a desk of their own with the study open: the page and its panel."""

    def sit_down(role: str) -> Any:
        page = new_page()
        page.answers = []
        page.on("response", lambda one: page.answers.append(one) if "/api/studies/" in one.url else None)
        sign_in(page, role)
        open_study(page, "desktop", hospital.listed_name)
        return page, open_panel(page, "desktop")

    return sit_down


def answered(page: Any) -> str:
    """Everything that the API told this browser about studies and labels."""
    return "".join(one.text() for one in page.answers if one.status < 300)


@pytest.mark.usefixtures("reads_are_double")
def test_two_read_blindly_and_a_third_decides(hospital: Any, reader: Any, third_reader: str, picture: Any) -> None:
    _, first = reader("radiologist")
    fill_in(first, "Pneumonia", "Definite", FIRST_NOTES)
    first.locator("button[type=submit]").click()
    first.get_by_text("Saved: your read is locked").wait_for()

    second_page, second = reader("second-reader")
    assert "One independent read is locked" in second.locator(".state").inner_text()
    assert second.locator(".history li").count() == 0, "nothing of the first read, and nothing of an earlier round"
    assert FIRST_NOTES not in second_page.content() + answered(second_page), "nor in anything that was sent to her"
    picture(second_page, "7-second-reader-sees-nothing-of-the-first")
    fill_in(second, "Normal", "Definite", "clear")
    second.locator("button[type=submit]").click()
    second.get_by_text("Saved: your read is locked").wait_for()
    second.get_by_text("Two reads differ").wait_for()
    assert FIRST_NOTES not in answered(second_page), "locked, but she does not decide: the first read stays hidden"

    third_page, third = reader(third_reader)
    third.get_by_text("your decision becomes the ground truth").wait_for()
    assert FIRST_NOTES in third.locator(".history").inner_text(), "who decides sees both"
    picture(third_page, "8-third-reader-decides")
    fill_in(third, "Pneumonia", "Probable", "small, but there")
    third.locator("button[type=submit]").click()
    third.get_by_text("is the ground truth.").wait_for()

    assert "GROUND TRUTH (you)" in third.locator(".history li").first.inner_text()

    own = second.locator(".agreement").inner_text()
    assert own.startswith("Agreement: You and all others 0 of 1 rounds"), own
    admin = api(hospital, "admin").get("/agreement")["agreements"]
    assert [one["observed"] for one in admin if "*" not in one["readers"]] == [0.0], "of every two, for who runs it"
