"""`check`: whether everything is there that a deployment needs; changes nothing."""

from __future__ import annotations

from lambdaimg.errors import LambdaimgError
from lambdaimg.preflight.finding import Finding, State, failed, passed
from lambdaimg.preflight.run import findings
from lambdaimg.report import table
from lambdaimg.session import Session

MARKS = {State.PASS: "pass", State.FAIL: "FAIL", State.UNKNOWN: "?"}


def run(session: Session) -> None:
    """Prints a line per check, with the remedy where it did not pass.

    Raises:
        SystemExit: with status 1 where a check failed.
    """
    found: list[Finding] = []
    try:
        context = session.context()
    except LambdaimgError as error:
        found.append(failed("settings", error.message, error.hint))
    else:
        found.append(passed("settings", "every setting is well formed and within its limits"))
        found += findings(context)
    cells = [(MARKS[finding.state], finding.name, about(finding)) for finding in found]
    bad = [finding for finding in found if finding.state is State.FAIL]
    result = {"failed": len(bad), "checks": [finding.as_dict() for finding in found]}
    session.report.result("check", result, table(cells, ("", "check", "what was found")))
    if bad:
        raise SystemExit(1)


def about(finding: Finding) -> str:
    """What was found, and what to do about it."""
    return f"{finding.text.rstrip('.')}. {finding.remedy}" if finding.remedy else finding.text
