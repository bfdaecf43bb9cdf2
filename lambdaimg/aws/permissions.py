"""What a caller may do, asked of IAM's simulator.

The simulator answers for a user or a role; what an assumed role may do is what its role may. It
does not know of service control policies or of policies on resources, so that 'allowed' means as
far as the caller's own policies go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambdaimg.aws.errors import is_code

AT_ONCE = 50
ASSUMED = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.*"
)
DENIED = ("AccessDenied", "AccessDeniedException")


@dataclass(frozen=True)
class Rights:
    """The simulator's answer.

    Args:
        denied: the actions that are not allowed.
        unknown: why nobody can tell; empty where it was told.
        everything: the caller is the account's root, who may do everything.
    """

    denied: tuple[str, ...] = ()
    unknown: str = ""
    everything: bool = False


@dataclass
class Simulator:
    """Asks for one caller.

    Args:
        iam: a boto3 client.
        caller: the ARN that STS gives for the credentials.
    """

    iam: Any
    caller: str
    _source: str = field(default="", init=False)

    def rights(
        self,
        actions: Sequence[str],
        resource: str = "*",
        context: Mapping[str, str] | None = None,
    ) -> Rights:
        """Whether the caller may do all of `actions`.

        Args:
            actions: as in `lambda:GetFunction`.
            resource: the ARN that they are done to.
            context: condition keys and their values.
        """
        if self.caller.endswith(":root"):
            return Rights(everything=True)
        if ":federated-user/" in self.caller:
            return Rights(unknown="the simulator does not answer for a federated user")
        try:
            return Rights(tuple(self._denied(actions, resource, context or {})))
        except Exception as error:
            if is_code(error, *DENIED):
                return Rights(unknown="the caller may not ask: iam:SimulatePrincipalPolicy")
            if is_code(error, "NoSuchEntity", "InvalidInput"):
                return Rights(unknown=f"the simulator does not know {self.caller}")
            raise

    def _denied(
        self, actions: Sequence[str], resource: str, context: Mapping[str, str]
    ) -> Iterable[str]:
        source = self._source or principal(self.caller, self.iam)
        self._source = source
        entries = [
            {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
            for key, value in context.items()
        ]
        pages = self.iam.get_paginator("simulate_principal_policy")
        for start in range(0, len(actions), AT_ONCE):
            for page in pages.paginate(
                PolicySourceArn=source,
                ActionNames=list(actions[start : start + AT_ONCE]),
                ResourceArns=[resource],
                ContextEntries=entries,
            ):
                for result in page["EvaluationResults"]:
                    if result["EvalDecision"] != "allowed":
                        yield result["EvalActionName"]


def principal(caller: str, iam: Any) -> str:
    """The ARN for which the simulator answers: a role's own, for a session of that role.

    Args:
        caller: as STS gives it.
        iam: a boto3 client, for the role's path; without the right to look, none is assumed.
    """
    match = ASSUMED.fullmatch(caller)
    if match is None:
        return caller
    try:
        return str(iam.get_role(RoleName=match["role"])["Role"]["Arn"])
    except Exception as error:
        if not is_code(error, *DENIED, "NoSuchEntity"):
            raise
    return f"arn:{match['partition']}:iam::{match['account']}:role/{match['role']}"
