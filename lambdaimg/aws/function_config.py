"""What a function's configuration should be, against what it is. Pure.

A setting that the user does not state is left as it is on a function that exists; a function
that is created gets every setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdaimg.aws.tags import differences as tag_differences
from lambdaimg.aws.tags import (
    environment_names,
    environment_tags,
    is_environment_tag,
)
from lambdaimg.make.target import Difference
from lambdaimg.settings import Settings

Stated = Callable[[str], bool]


@dataclass(frozen=True)
class Attribute:
    """A setting that is an attribute of `UpdateFunctionConfiguration`.

    Args:
        setting: the setting's name.
        parameter: the API's parameter.
        of_request: the parameter's value, from the settings.
        of_answer: the value that the function has now, in the setting's own form.
    """

    setting: str
    parameter: str
    of_request: Callable[[Any], Any]
    of_answer: Callable[[Mapping[str, Any]], Any]


ATTRIBUTES = (
    Attribute("memory", "MemorySize", int, lambda now: now.get("MemorySize")),
    Attribute("timeout", "Timeout", int, lambda now: now.get("Timeout")),
    Attribute("description", "Description", str, lambda now: now.get("Description", "")),
    Attribute(
        "ephemeral_storage",
        "EphemeralStorage",
        lambda size: {"Size": size},
        lambda now: (now.get("EphemeralStorage") or {}).get("Size", 512),
    ),
)

IMAGE_OVERRIDES = (
    ("command", "Command"),
    ("entrypoint", "EntryPoint"),
    ("working_directory", "WorkingDirectory"),
)


def image_config(settings: Settings) -> dict[str, Any]:
    """The overrides of the image's CMD, ENTRYPOINT and WORKDIR that are set."""
    values = {parameter: getattr(settings, name) for name, parameter in IMAGE_OVERRIDES}
    return {
        parameter: list(value) if isinstance(value, tuple) else value
        for parameter, value in values.items()
        if value
    }


def to_create(settings: Settings) -> dict[str, Any]:
    """The configuration parameters of `CreateFunction`, without name, role, code and tags."""
    request = {a.parameter: a.of_request(getattr(settings, a.setting)) for a in ATTRIBUTES}
    request["Architectures"] = [settings.architecture]
    if settings.environment:
        request["Environment"] = {"Variables": dict(settings.environment)}
    if overrides := image_config(settings):
        request["ImageConfig"] = overrides
    return request


def wanted_environment(
    settings: Settings, now: Mapping[str, str], tags: Mapping[str, str]
) -> dict[str, str]:
    """The environment variables that the function should have.

    Args:
        now: those that it has.
        tags: the function's tags, which tell the variables that the kit set.
    """
    if settings.environment_mode == "replace":
        return dict(settings.environment)
    ours = environment_names(tags)
    kept = {name: value for name, value in now.items() if name not in ours}
    return {**kept, **settings.environment}


@dataclass(frozen=True)
class Change:
    """What it takes to give a function the configuration that the settings ask for.

    Tags list the environment variables that the kit set. They are widened before the variables
    change and narrowed afterwards, so that an interruption leaves no variable of the kit's that
    nobody answers for.

    Args:
        request: the parameters of `UpdateFunctionConfiguration`; empty for no such call.
        differences: the same for the report.
        tags_before: tags to set before it.
        tags_after: tags to set after it.
        tags_gone: the keys of tags to remove after it.
    """

    request: Mapping[str, Any]
    differences: tuple[Difference, ...]
    tags_before: Mapping[str, str]
    tags_after: Mapping[str, str]
    tags_gone: tuple[str, ...]


def to_update(
    settings: Settings,
    stated: Stated,
    now: Mapping[str, Any],
    tags: Mapping[str, str],
    role: str,
) -> Change:
    """What has to be changed.

    Args:
        settings: the settings.
        stated: whether the user states a setting.
        now: the function's configuration, as `GetFunction` gives it.
        tags: the function's tags.
        role: the ARN of the role that the function should have.
    """
    request: dict[str, Any] = {}
    found: list[Difference] = []
    for attribute in ATTRIBUTES:
        want, have = getattr(settings, attribute.setting), attribute.of_answer(now)
        if stated(attribute.setting) and have != want:
            request[attribute.parameter] = attribute.of_request(want)
            found.append(Difference(attribute.setting, str(have), str(want)))
    if now.get("Role") != role:
        request["Role"] = role
        found.append(Difference("role", str(now.get("Role")), role))
    variables = dict((now.get("Environment") or {}).get("Variables") or {})
    want_variables = wanted_environment(settings, variables, tags)
    ours = stated("environment") or bool(environment_names(tags))
    if ours and want_variables != variables:
        request["Environment"] = {"Variables": want_variables}
        found += environment_differences(variables, want_variables)
    if any(stated(name) for name, _ in IMAGE_OVERRIDES):
        overrides = image_config(settings)
        have_overrides = (now.get("ImageConfigResponse") or {}).get("ImageConfig") or {}
        if {k: v for k, v in have_overrides.items() if v} != overrides:
            request["ImageConfig"] = overrides
            found.append(Difference("image config", str(have_overrides), str(overrides)))
    if stated("tags"):
        found += tag_differences(tags, settings.tags)
    return _with_tags(settings, tags, request, found, ours, stated("tags"))


def _with_tags(
    settings: Settings,
    tags: Mapping[str, str],
    request: Mapping[str, Any],
    found: list[Difference],
    ours: bool,
    own_tags: bool,
) -> Change:
    listed = environment_names(tags)
    before: Mapping[str, str] = {}
    if "Environment" in request and not listed >= set(settings.environment):
        before = environment_tags(listed | set(settings.environment))
    last = {**tags, **before}
    wanted = environment_tags(settings.environment) if ours else {}
    gone = [key for key in last if is_environment_tag(key) and key not in wanted] if ours else []
    after = {key: value for key, value in wanted.items() if last.get(key) != value}
    if (gone or after) and "Environment" not in request:
        names = listed ^ set(settings.environment)
        found.append(Difference("list of our environment variables", *_sides(names, listed)))
    if own_tags:
        after |= {key: value for key, value in settings.tags.items() if tags.get(key) != value}
    return Change(request, tuple(found), before, after, tuple(gone))


def _sides(names: set[str], listed: set[str]) -> tuple[str, str]:
    return " ".join(sorted(names & listed)), " ".join(sorted(names - listed))


def environment_differences(have: Mapping[str, str], want: Mapping[str, str]) -> list[Difference]:
    """The environment variables that come, go and change; never their values."""
    names = sorted(name for name in {*have, *want} if have.get(name) != want.get(name))
    return [
        Difference(
            f"environment {name}",
            "***" if name in have else "",
            "***" if name in want else "",
            secret=name in have and name in want,
        )
        for name in names
    ]


def architecture_of(now: Mapping[str, Any]) -> str:
    """The architecture that the function has; x86_64 where AWS does not say."""
    return str((now.get("Architectures") or ["x86_64"])[0])


def digest_of(answer: Mapping[str, Any]) -> str:
    """The digest of the image that a function runs, from `GetFunction`'s answer; '' if none.

    AWS gives the digest in `Code.ResolvedImageUri`, and its hexadecimal part as `CodeSha256`.
    """
    uri = str(answer.get("Code", {}).get("ResolvedImageUri") or "")
    if "@" in uri:
        return uri.rpartition("@")[2]
    sha = str(answer.get("Configuration", {}).get("CodeSha256") or "")
    return f"sha256:{sha}" if len(sha) == 64 else ""
