"""All operations of GitHub's REST API that the stand-in has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.github_action_routes import action_routes
from tests.support.github_commit_routes import commit_routes
from tests.support.github_issue_routes import issue_routes
from tests.support.github_pull_routes import pull_routes

if TYPE_CHECKING:
    from tests.support.github_requests import Route


def all_routes() -> list[Route]:
    return [*commit_routes(), *issue_routes(), *pull_routes(), *action_routes()]
