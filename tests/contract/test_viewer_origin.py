"""CloudFront and the local door serve the viewer under the same headers, made from the same pinned release."""

from __future__ import annotations

from components._configuration_delivery import OHIF_SCRIPTS, DeliverySettings
from components.viewer_delivery import WORKER_POLICY, page_policy
from viewer import headers, release


def test_the_inline_scripts_that_may_run_are_those_of_the_pinned_release() -> None:
    assert list(OHIF_SCRIPTS) == release.pinned()["inline_scripts"]


def test_pages_and_workers_have_the_same_policy_on_aws_and_here() -> None:
    assert headers.WORKER_POLICY == WORKER_POLICY
    here, aws = headers.content_security_policy(""), page_policy(DeliverySettings())
    scripts = "".join(f" '{one}'" for one in OHIF_SCRIPTS)
    assert here.replace("'wasm-unsafe-eval'", f"'wasm-unsafe-eval'{scripts}") == aws
