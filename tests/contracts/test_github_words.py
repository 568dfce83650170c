"""What GitHub says against a request, in each of the ways in which it has said so."""

from __future__ import annotations

from typing import Any

import pytest

from loop_kit.adapters.github import refusals as forge_refusals


def answer(data: Any, **error: Any) -> dict[str, Any]:
    return {"data": data, "errors": [error]}


@pytest.mark.parametrize(
    ("status", "headers", "data"),
    [
        (429, {}, {}),
        (403, {"retry-after": "3"}, {}),
        (403, {"x-ratelimit-remaining": "0"}, {}),
        (200, {}, answer(None, type="RATE_LIMITED", message="API rate limit exceeded")),
        (200, {}, answer(None, type="RATE_LIMIT", code="graphql_rate_limit", message="x")),
    ],
)
def test_a_rate_limit_is_no_final_no(status: int, headers: dict[str, str], data: Any) -> None:
    assert forge_refusals.is_rate_limit(status, headers, data)


@pytest.mark.parametrize(
    ("data", "absent"),
    [
        (answer({"repository": {"issue": None}}, type="NOT_FOUND"), True),
        (answer({"repository": None}, type="NOT_FOUND"), False),
        (answer({"repository": {"issue": None}}, type="FORBIDDEN"), False),
        (answer({"repository": {}}, message="Field 'x' doesn't exist on type 'Issue'"), False),
        (answer(None, type="NOT_FOUND"), False),
        ({"errors": ["odd"], "data": None}, False),
        ("<html>", False),
    ],
)
def test_only_what_is_missing_in_a_repository_is_absent(data: Any, *, absent: bool) -> None:
    assert forge_refusals.is_absence(data) is absent


@pytest.mark.parametrize(
    ("message", "passing"),
    [
        ("Something went wrong while executing your query. This may be a timeout.", True),
        ("Field 'x' doesn't exist on type 'Issue'", False),
        ("", False),
    ],
)
def test_the_trouble_of_github_itself_may_pass(message: str, *, passing: bool) -> None:
    assert forge_refusals.is_transient(answer(None, message=message)) is passing


def test_what_a_field_needs_is_read_from_the_innermost_name() -> None:
    path = ["repository", "pullRequest", "closingIssuesReferences", "nodes", 0]
    data = answer({}, type="FORBIDDEN", path=path)
    assert forge_refusals.missing_permissions(data) == ["issues: read"]
    assert forge_refusals.missing_permissions(answer({}, path=["m0"])) == []
    assert forge_refusals.missing_permissions({"errors": "odd"}) == []


def test_a_no_names_every_permission_once_and_only_where_one_is_missing() -> None:
    message = "Resource not accessible by integration"
    needed = ["issues: read", "contents: read", "issues: read"]
    remedy = forge_refusals.refusal(403, message, needed).remedy
    assert remedy == "Add to the job: `permissions: {contents: read, issues: read}`."
    assert "permissions" not in forge_refusals.refusal(403, message, [""]).remedy
    assert "permissions" not in forge_refusals.refusal(422, "Validation Failed", needed).remedy
