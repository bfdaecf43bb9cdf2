"""What targets decide before they call anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaimg.aws.tags import policy_tag
from lambdaimg.context import Context
from lambdaimg.make.target import LATER
from lambdaimg.settings import Settings
from lambdaimg.targets import TABLES
from lambdaimg.targets.deploy import is_image, tags_of
from lambdaimg.targets.policies import plan
from lambdaimg.targets.role import is_other_wording, trust_policy, trusts_lambda
from lambdaimg.targets.sqs import queue_differences
from lambdaimg.targets.trigger import mapping_differences, mapping_request

A, B, C, D = (f"arn:aws:iam::aws:policy/{name}" for name in "ABCD")


def context(*stated: str, **settings: Any) -> Context:
    """A context that knows settings and nothing else."""
    sources = dict.fromkeys((*stated, *settings), "lambdaimg.toml")
    made = Settings(**settings, sources=sources)
    return Context(Path("/nonexistent"), made, environ={})


# --- policies -------------------------------------------------------------------------------------


def test_what_is_attached_and_detached() -> None:
    tags = {policy_tag(B): B, policy_tag(D): D}
    todo = plan([A, C], {B, C}, tags, detaching=True)
    assert (todo.attach, todo.detach) == ((A,), (B,))
    assert set(todo.untag) == {policy_tag(B), policy_tag(D)}
    assert plan([A, C], {B, C}, tags, detaching=False).detach == ()


ARNS = st.sets(st.sampled_from([A, B, C, D]))


@given(wanted=ARNS, attached=ARNS, ours=ARNS)
def test_policies_of_others_stay_and_tags_end_up_right(
    wanted: set[str], attached: set[str], ours: set[str]
) -> None:
    tags = {policy_tag(arn): arn for arn in ours} | {"team": "x"}
    todo = plan(sorted(wanted), attached, tags, detaching=True)
    after = (attached | set(todo.attach)) - set(todo.detach)
    assert wanted <= after
    assert after - wanted == attached - wanted - ours
    kept = {key for key in tags if key not in todo.untag} | {policy_tag(a) for a in todo.attach}
    assert "team" in kept
    listed = {arn for arn in (A, B, C, D) if policy_tag(arn) in kept}
    assert listed <= after
    again = plan(sorted(wanted), after, dict.fromkeys(kept, ""), detaching=True)
    assert (again.attach, again.detach, again.untag) == ((), (), ())


# --- role -----------------------------------------------------------------------------------------


def test_the_trust_policy_trusts_lambda_alone() -> None:
    for account in ("", "123456789012"):
        document = json.loads(trust_policy(account))
        (statement,) = document["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert statement["Action"] == "sts:AssumeRole"
        assert trusts_lambda(document, "123456789012")
        assert trusts_lambda(trust_policy(account), "123456789012")
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


@pytest.mark.parametrize(
    ("statement", "trusts"),
    [
        ({"Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}}, True),
        ({"Action": ["sts:TagSession", "sts:AssumeRole"]}, True),
        ({"Action": "sts:*"}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"Service": "ec2.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "*"}}, False),
        ({"Principal": "*"}, False),
        ({"Action": "sts:TagSession"}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": ["1", "123456789012"]}}}, True),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "210987654321"}}}, False),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*"}}}, True),
        ({"Condition": {"StringEquals": None}}, True),
    ],
)
def test_which_documents_trust_lambda(statement: dict[str, Any], trusts: bool) -> None:
    whole = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    } | statement
    assert trusts_lambda({"Statement": [whole]}, "123456789012") is trusts
    assert trusts_lambda({"Statement": whole}, "123456789012") is trusts
    assert trusts_lambda(json.dumps({"Statement": [{}, whole]}), "123456789012") is trusts


def test_only_the_kit_s_own_wording_of_the_trust_is_changed() -> None:
    account = "123456789012"
    bare, limited = trust_policy(), trust_policy(account)
    for text, wanted, other in (
        (bare, True, True), (bare, False, False), (limited, True, False), (limited, False, True),
        (trust_policy("999999999999"), True, False), ("{}", False, False), ("no JSON", True, False),
    ):  # fmt: skip
        assert is_other_wording(text, account, wanted) is other
    assert is_other_wording(json.loads(bare), account, True)


KEYS = ("Statement", "Principal", "Service", "Action", "Effect", "Condition", "StringEquals",
        "aws:SourceAccount")  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_document_is_judged(document: Any) -> None:
    assert trusts_lambda(document, "123456789012") in (True, False)


# --- queue and trigger ----------------------------------------------------------------------------


def test_a_queue_is_changed_only_where_it_is_stated_or_refused() -> None:
    now = {"VisibilityTimeout": "30", "MessageRetentionPeriod": "60"}
    assert queue_differences(context(), now) == ()
    (short,) = queue_differences(context(timeout=100), now)
    assert (short.attribute, short.have, short.want) == ("VisibilityTimeout", "30", "600")
    (kept,) = queue_differences(context(message_retention=120), now)
    assert (kept.have, kept.want) == ("60", "120")


def test_a_mapping_is_changed_only_where_it_is_stated() -> None:
    now = {"BatchSize": 7, "MaximumBatchingWindowInSeconds": 5, "State": "Enabled"}
    assert mapping_differences(context(), now) == []
    (found,) = mapping_differences(context(batch_size=9), now)
    assert (found.attribute, found.have, found.want) == ("batch_size", "7", "9")
    (state,) = mapping_differences(context(), {**now, "State": "Creating"})
    assert (state.have, state.want) == ("Creating", "Enabled")


def test_a_fifo_queue_has_no_batching_window() -> None:
    assert "MaximumBatchingWindowInSeconds" in mapping_request(context())
    assert "MaximumBatchingWindowInSeconds" not in mapping_request(context(queue_name="q.fifo"))


# --- image and repository -------------------------------------------------------------------------


def deployed(forced: bool, image: str = "sha256:0123456789abcdef", **settings: Any) -> Context:
    ctx = context(**settings)
    ctx.remember("image", image, {"source": "abc", "forced": forced})
    return ctx


def test_the_tag_tells_the_sources() -> None:
    assert tags_of(deployed(False)) == ("src-abc",)
    assert tags_of(deployed(True)) == ("src-abc", "src-abc-0123456789ab")
    assert tags_of(deployed(True, immutable_tags=True))[0] == "src-abc-0123456789ab"
    assert tags_of(deployed(False, image=LATER)) == ("src-abc",)


@pytest.mark.parametrize(
    ("image", "same"),
    [
        ({"imageId": {}, "imageManifest": '{"config": {"digest": "sha256:id"}}'}, True),
        ({"imageId": {"imageDigest": "sha256:id"}, "imageManifest": "{}"}, True),
        ({"imageId": {}, "imageManifest": '{"config": {"digest": "sha256:other"}}'}, False),
        ({"imageId": {}, "imageManifest": "damaged"}, False),
        ({"imageId": {}}, False),
    ],
)
def test_whether_the_repository_has_this_very_image(image: dict[str, Any], same: bool) -> None:
    assert is_image(image, "sha256:id") is same


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", TABLES)
def test_permissions_are_named_once_and_well_formed(package: str) -> None:
    for target in TABLES[package].values():
        actions = (*target.permissions, *target.removal)
        assert len(set(target.permissions)) == len(target.permissions)
        for action in actions:
            service, _, name = action.partition(":")
            assert service in {"ecr", "iam", "lambda", "sqs"}
            assert name[0].isupper()
