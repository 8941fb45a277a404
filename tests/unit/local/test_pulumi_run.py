"""Reading what the CLI prints."""

from local.pulumi_run import PulumiRun, essence

PREVIEW = """\
 +  pulumi:pulumi:Stack p-local create
 +  aws:s3/bucket:Bucket landing create
 ~  aws:sqs/queue:Queue work update [diff: ~tags]"""
UPDATE = """\
 +  aws:s3/bucket:Bucket landing creating (0s)
 +  aws:s3/bucket:Bucket landing created (0.12s)
 ~  aws:sqs/queue:Queue work updated (0.1s) [diff: ~tags]"""


def test_steps_are_counted_as_planned_and_as_done() -> None:
    run = PulumiRun()
    for line in (PREVIEW + "\n" + UPDATE).splitlines():
        run.feed(line)
    assert (run.planned, run.done) == (3, 2)


def test_the_essence_of_a_failure_starts_at_its_policies_or_diagnostics() -> None:
    lines = ["noise", "Diagnostics:", "  error: no", "Outputs:"]
    assert essence(lines).splitlines()[:2] == ["Diagnostics:", "  error: no"]
    assert essence(["only", "noise"]) == "only\nnoise"
