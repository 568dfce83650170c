"""Repositories, servers and seeds for the storms."""

from tests.cli.conftest import make_repo, two_commits

__all__ = ["make_repo", "two_commits"]
