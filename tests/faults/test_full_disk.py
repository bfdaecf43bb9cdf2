"""No room for the kit's own records: one sentence, and the next run finishes."""

from __future__ import annotations

from tests.faults.kit import BASIC, SQS, Kit

FEW = 30


def test_a_full_disk_is_one_sentence_and_the_next_run_finishes(kit: Kit) -> None:
    """The disk is full at the first file of the kit's, at the second, and so on."""
    project = kit.project(policies=(BASIC, SQS))
    failures = 0
    for room in range(FEW):
        ended = project.run("lambda-sqs-trigger", full=room)
        assert "Traceback" not in ended.err
        if ended.status == 0:
            break
        failures += 1
        (said,) = ended.errors
        assert ended.status == 1
        assert "No space left on device" in said
        # What was written stays written: the next run comes further, and with room to the end.
    assert failures > 0
    project.run("lambda-sqs-trigger", "--verify").ok()
    found = project.state()
    other = kit.project(policies=(BASIC, SQS))
    other.run("lambda-sqs-trigger").ok()
    assert found == other.state()
    assert (project.folder / ".lambdaimg" / ".gitignore").read_text() == "*\n"
