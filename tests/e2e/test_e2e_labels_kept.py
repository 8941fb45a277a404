"""Whatever the network does to VERIFY, the panel says so, and nothing that was typed is lost or saved twice."""

from __future__ import annotations

from typing import Any

from tests.e2e.browsing import barriers, fill_in, open_panel, open_study

LABELS = "**/api/studies/*/labels"
NOTES = "left lower lobe, typed with one thumb"


def entered(panel: Any) -> tuple[bool, bool, str]:
    return (
        panel.get_by_label("Pneumonia").is_checked(),
        panel.get_by_label("Probable").is_checked(),
        panel.get_by_label("Notes").input_value(),
    )


def test_a_label_outlives_a_dead_network_a_lost_answer_and_a_reload(
    hospital: Any, page: Any, size: str, sign_in: Any, picture: Any
) -> None:
    known = len(hospital.labels())
    sign_in(page, "radiologist")
    open_study(page, size, hospital.listed_name)
    panel = open_panel(page, size)
    verify = panel.locator("button[type=submit]")
    assert barriers(page) == []
    fill_in(panel, "Pneumonia", "Probable", NOTES)

    page.route(LABELS, lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    verify.click()
    panel.get_by_text("NOT SAVED").wait_for()
    assert (verify.inner_text(), entered(panel)) == ("RETRY", (True, True, NOTES))
    picture(page, "6-not-saved")
    assert barriers(page) == []

    page.on("dialog", lambda asked: asked.accept())  # leaving with something unsaved is asked about
    page.reload()  # or an expired session's way over the sign-in page
    person = hospital.people["radiologist"]
    page.fill("input[name=username]", person.username)
    page.fill("input[name=password]", person.password)
    page.click("button[type=submit]")
    page.wait_for_url("**/viewer**")
    page.locator(".cornerstone-canvas").first.wait_for()
    panel = open_panel(page, size)
    verify = panel.locator("button[type=submit]")
    assert (verify.inner_text(), entered(panel)) == ("RETRY", (True, True, NOTES))
    assert len(hospital.labels()) == known

    page.unroute(LABELS)
    lost = []

    def lose_the_answer(route: Any) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().status)  # the API has it, the reader's phone was never told
            route.abort()
        else:
            route.continue_()

    page.route(LABELS, lose_the_answer)
    verify.click()
    panel.get_by_text("Saved:").wait_for()
    assert lost == [201]
    assert [label["notes"] for label in hospital.labels()[known:]] == [NOTES], "saved once, however often it was sent"
    assert entered(panel) == (False, False, ""), "the next read starts from nothing"
    assert barriers(page) == []
