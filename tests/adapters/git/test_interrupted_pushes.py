"""A push was broken off: what follows is saved whether it arrives, arrives late, or never."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.adapters.conftest import BRANCHES, Hosted, environment
from tests.adapters.git.test_state_branch import STARTED, state, while_pushing, work

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.process.process import Completed
from loop_kit.core.loop.state import parse_state
from loop_kit.errors import BranchRefused, GitFailed


class InterruptedGit(Git):
    """Git whose next push is interrupted, once it `arrived` or before."""

    arrived = False
    push: tuple[tuple[str, ...], dict[str, Any]] | None = None

    def run(self, *args: str, **more: Any) -> Completed:
        if args[0] != "push" or self.push is not None:
            return super().run(*args, **more)
        self.push = args, more
        if self.arrived:
            super().run(*args, **more)
        raise KeyboardInterrupt

    def push_again(self) -> None:
        assert self.push is not None
        args, more = self.push
        super().run(*args, **more)


@pytest.mark.parametrize("arrives", ["at once", "meanwhile", "never"])
def test_what_follows_a_push_that_was_broken_off_is_saved_with_it(
    hosted: Hosted, arrives: str
) -> None:
    git = InterruptedGit(hosted.checkout().directory, environment(hosted.root), isolated=True)
    git.arrived = arrives == "at once"
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    first = work(git)
    with pytest.raises(KeyboardInterrupt):
        store.sync(first)
    if arrives == "meanwhile":
        while_pushing(hosted, git.push_again)
    store.save(state(2), STARTED)
    store.save(state(3), STARTED)

    store.sync(first)

    assert parse_state(hosted.state("state.json") or b"").seq == 3
    assert hosted.bare.head(BRANCHES.work) == first
    assert len(hosted.bare.git("log", "--format=%s", BRANCHES.state).splitlines()) == 3
    store.save(state(4), STARTED)
    store.sync(first)
    assert parse_state(hosted.state("state.json") or b"").seq == 4


def test_a_command_on_top_of_a_push_that_was_broken_off_is_found(hosted: Hosted) -> None:
    git = InterruptedGit(hosted.checkout().directory, environment(hosted.root), isolated=True)
    git.arrived = True
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(KeyboardInterrupt):
        store.sync()
    command = {"inbox/5.json": '{"comment": 5, "verb": "stop", "by": "mona"}'}
    hosted.bare.commit_files(BRANCHES.state, command, "A command")
    store.save(state(2), STARTED)

    store.sync()

    assert parse_state(hosted.state("state.json") or b"").seq == 2
    assert [each.verb for each in store.commands()] == ["stop"]


def test_where_time_is_limited_nothing_takes_longer(hosted: Hosted) -> None:
    store = hosted.store()
    store.load()
    store.save(state(1), STARTED)
    hosted.server.before_push = lambda _: time.sleep(3)
    store.limit_time(1)
    began = time.monotonic()

    with pytest.raises((GitFailed, BranchRefused)):
        store.sync()

    assert time.monotonic() - began < 2.5
