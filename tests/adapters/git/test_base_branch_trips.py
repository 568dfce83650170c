"""A shallow checkout gets as much history as the answer needs, in as few requests as can be."""

from __future__ import annotations

import pytest
from tests.adapters.conftest import Hosted

from loop_kit.adapters.git.base_branch import ServerBaseBranch
from loop_kit.adapters.git.command import FETCH
from loop_kit.adapters.git.remote import Remote
from loop_kit.ports import Comparison


@pytest.mark.parametrize(("moves", "requests"), [(1, 1), (40, 2), (80, 4)])
def test_history_is_fetched_only_as_far_as_both_began(
    hosted: Hosted, moves: int, requests: int
) -> None:
    """Git asks twice where it has to find out first what both have."""
    begin = hosted.bare.head("main")
    head = hosted.bare.commit_files("work", {"b.py": "b\n"}, "Work", parent=begin)
    entry = "commit refs/heads/main\ncommitter A <a@b> now\ndata 1\nx\n"
    stream = f"{entry}from refs/heads/main^0\n" + entry * (moves - 1)
    hosted.bare.git("fast-import", "--quiet", "--date-format=now", stdin=stream.encode())
    checkout, remote = hosted.checkout(), Remote(hosted.url, hosted.server.url, "bot")
    env = remote.authorization()
    checkout.run(*FETCH, "--depth=1", "--", hosted.url, head, env=env)
    base_branch = ServerBaseBranch(checkout, remote, lambda *_: None)

    before = len(hosted.server.fetches())
    tip = base_branch.tip("main")
    assert tip == hosted.bare.head("main")
    assert len(hosted.server.fetches()) - before <= 1
    before = len(hosted.server.fetches())
    assert base_branch.compare(tip, head) == Comparison(begin)
    assert len(hosted.server.fetches()) - before == requests
