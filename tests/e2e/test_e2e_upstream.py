"""HealthImaging throttled or away: the reader is told, and never sees one slice under another's number."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.browsing import QUALITY, decoded_as_stored, open_panel, open_study, until

SHOWN = """() => {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  return viewport.getCornerstoneImage()?.imageId === viewport.getCurrentImageId();
}"""
GO = """uid => {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  viewport.setImageIdIndex(viewport.getImageIds().findIndex(id => id.includes(`/${uid}/`)));
}"""


@pytest.fixture
def size() -> str:
    return "desktop"


def test_a_slice_that_cannot_be_fetched_is_said_to_be_missing_and_comes_when_it_can(
    hospital: Any, page: Any, size: str, sign_in: Any, picture: Any
) -> None:
    from pydicom import dcmread

    heads = (dcmread(file, specific_tags=["SOPInstanceUID", "InstanceNumber"]) for file in hospital.files.iterdir())
    wanted = next(str(head.SOPInstanceUID) for head in heads if int(head.InstanceNumber) == hospital.slices // 2)
    busy = {"content-type": "application/problem+json", "retry-after": "1"}
    page.route(f"**/instances/{wanted}/frames/**", lambda route: route.fulfill(status=429, headers=busy, body="{}"))
    sign_in(page, "radiologist")
    open_study(page, size, hospital.listed_name)
    panel = open_panel(page, size)
    page.evaluate(GO, wanted)
    missing = page.locator(".platform-quality.missing")
    missing.get_by_text("COULD NOT BE FETCHED").wait_for()
    canvas, cover = page.locator(".cornerstone-canvas").first.bounding_box(), missing.bounding_box()
    assert cover["width"] >= canvas["width"], "nothing of the slice that was there before is to be seen"
    assert page.evaluate(SHOWN) is False
    assert panel.locator("button[type=submit]").get_attribute("aria-disabled") == "true"
    picture(page, "9-slice-missing")

    page.unroute(f"**/instances/{wanted}/frames/**")
    until(page, QUALITY, 8)
    until(page, SHOWN, True)
    missing.wait_for(state="hidden")
    assert decoded_as_stored(page, hospital.files)
