"""No image that a function runs is ever removed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.aws.retention import Image, decide, digests_of, of_answer

DIGESTS = [f"sha256:{number:064x}" for number in range(12)]
NAMES = ["src-a", "src-b", "base-a", "v1", "latest"]
TAGS = st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
IMAGES = st.dictionaries(
    st.sampled_from(DIGESTS), st.tuples(TAGS, st.integers(0, 5)), max_size=len(DIGESTS)
).map(lambda found: [Image(key, tuple(tags), pushed, 1) for key, (tags, pushed) in found.items()])


@given(images=IMAGES, live=st.sets(st.sampled_from(DIGESTS)), keep=st.integers(1, 5))
def test_what_goes_is_ours_old_and_not_live(images: list[Image], live: set[str], keep: int) -> None:
    decisions = decide(images, live, keep)
    assert {decision.image.digest for decision in decisions} == {image.digest for image in images}
    doomed = [decision.image for decision in decisions if not decision.why]
    own = [image for image in images if image.is_ours]
    # Which of those pushed within the same second, all that the registry tells, is the newer nobody
    # knows: only what is surely newer counts.
    old = [
        i
        for i in own
        if sum(other.pushed > i.pushed and other.is_base is i.is_base for other in own) >= keep
    ]
    assert {image.digest for image in doomed} == {i.digest for i in old} - live


def test_an_image_with_a_tag_of_somebody_elses_is_not_ours() -> None:
    assert Image("d", ("src-a",), 0, 0).is_ours
    assert not Image("d", ("src-a", "v1"), 0, 0).is_ours
    assert not Image("d", (), 0, 0).is_ours


def test_the_digests_of_functions() -> None:
    functions: list[dict[str, Any]] = [
        {"PackageType": "Image", "CodeSha256": "a" * 64},
        {"PackageType": "Zip", "CodeSha256": "b" * 64},
        {"PackageType": "Image", "CodeSha256": "bm90IGhleA=="},
        {"PackageType": "Image"},
    ]
    known, silent = digests_of(functions)
    assert known == {"sha256:" + "a" * 64}
    assert silent == functions[2:]


def test_an_answer_is_read() -> None:
    import datetime

    pushed = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    (image,) = of_answer([{"imageDigest": "d", "imagePushedAt": pushed}])
    assert (image.digest, image.tags, image.size) == ("d", (), 0)
    assert image.pushed == pushed.timestamp()
