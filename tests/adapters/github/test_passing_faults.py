"""Faults of GitHub's API that pass: whatever was asked is done, and once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.adapters.github.test_forge import (
    INPUTS,
    MARKER,
    clock,
    connected,
    demo,
    forge,
    hub,
    open_pull,
    post,
)

from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.adapters.retry import TRIES, Deadline
from loop_kit.core.forge.status import LABELS
from loop_kit.errors import ForgeRefused, ForgeUnavailable

if TYPE_CHECKING:
    from tests.fakes import FakeClock
    from tests.support.github_server import GitHubServer
    from tests.support.github_state import HostedRepository

__all__ = ["clock", "demo", "forge", "hub"]

Fault = dict[str, Any]

STATUSES: list[Fault] = [{"status": status} for status in (401, 408, 409, 500, 502, 503, 504)]
LOST: list[Fault] = [{"drop_before": True}, {"drop_after": True}, {"cut": True}]


@dataclass(frozen=True)
class Effect:
    """A request that changes something, and how often it has done so."""

    method: str
    path: str
    act: Callable[[GitHubForge, GitHubServer], object]
    count: Callable[[HostedRepository], int]


def comment(forge: GitHubForge, hub: GitHubServer) -> object:
    return forge.put_comment(1, "", f"{MARKER}\nbody", MARKER)


def label(forge: GitHubForge, hub: GitHubServer) -> object:
    return forge.set_label(1, LABELS[0], [])


EFFECTS = {
    "pull request": Effect(
        "POST", "/pulls$", lambda forge, _: open_pull(forge), lambda demo: len(demo.pulls)
    ),
    "review": Effect(
        "POST",
        "/reviews$",
        lambda forge, hub: post(forge, hub, 1),
        lambda demo: len(demo.pulls[1].reviews),
    ),
    "comment": Effect("POST", "/comments$", comment, lambda demo: len(demo.issues[1].comments)),
    "issue": Effect(
        "POST",
        "/issues$",
        lambda forge, _: forge.post_issue("For later", f"{MARKER}\nbody", MARKER),
        lambda demo: len(demo.issues) - len(demo.pulls),
    ),
    "label": Effect("POST", "/issues/1/labels$", label, lambda demo: len(demo.issues[1].labels)),
}


def begin(forge: GitHubForge, name: str) -> None:
    """Let the token work once, and have a pull request for what is posted to one."""
    forge.may_write("mona")
    if name != "pull request":
        open_pull(forge)


@pytest.mark.parametrize("fault", [*STATUSES, *LOST], ids=str)
@pytest.mark.parametrize("name", EFFECTS)
def test_a_post_is_made_once(
    forge: GitHubForge, hub: GitHubServer, demo: HostedRepository, name: str, fault: Fault
) -> None:
    effect = EFFECTS[name]
    begin(forge, name)
    hub.fail_next(effect.method, effect.path, times=2, **fault)

    effect.act(forge, hub)

    assert effect.count(demo) == 1


@pytest.mark.parametrize("fault", STATUSES, ids=str)
def test_a_dispatch_that_was_answered_with_a_fault_is_made_again(
    forge: GitHubForge, hub: GitHubServer, fault: Fault
) -> None:
    forge.may_write("mona")
    hub.fail_next("POST", "/dispatches$", **fault)

    forge.dispatch("loop.yml", "main", INPUTS)

    assert len(hub.dispatches) == 1


@pytest.mark.parametrize("fault", [*STATUSES, *LOST], ids=str)
def test_a_question_is_asked_again_on_every_page(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock, fault: Fault
) -> None:
    number = open_pull(forge)
    posted = post(forge, hub, number)
    clock.slept.clear()
    hub.fail_next("GET", "/comments$", **fault)
    hub.fail_next("GET", "/reviews$", **fault)

    assert forge.find_post(number, MARKER) == posted
    assert len(clock.slept) == 2


def test_a_rate_limit_without_words_for_it_is_waited_out(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    hub.fail_next("GET", "/pulls", status=429)
    assert forge.find_pull_request("loop/T-001/work") is None
    assert clock.slept == [60]


def test_a_token_that_is_refused_at_once_is_not_tried_again(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    hub.fail_next("POST", "/pulls$", status=401)
    with pytest.raises(ForgeRefused, match="does not know the token"):
        open_pull(forge)
    assert clock.slept == []


def test_a_token_that_expires_leaves_outstanding_what_was_to_be_posted(
    forge: GitHubForge, hub: GitHubServer, clock: FakeClock
) -> None:
    forge.may_write("mona")
    hub.fail_next("POST", "/pulls$", status=401, times=TRIES)
    with pytest.raises(ForgeUnavailable, match="any more"):
        open_pull(forge)
    assert len(clock.slept) == TRIES - 1


def test_no_request_is_repeated_when_the_job_is_nearly_over(
    hub: GitHubServer, clock: FakeClock, demo: HostedRepository
) -> None:
    deadline = Deadline()
    access = Access(hub.url, "http://github.test", demo.name, "bot", deadline=deadline)
    deadline.set(0.5)
    hub.fail_next("GET", "/pulls", status=503)

    with pytest.raises(ForgeUnavailable):
        GitHubForge(access, clock.sleep).find_pull_request("loop/T-001/work")

    assert clock.slept == []


@pytest.mark.parametrize("code", [400, 404, 410, 413, 422])
def test_a_final_refusal_costs_one_request(
    hub: GitHubServer, clock: FakeClock, demo: HostedRepository, code: int
) -> None:
    forge = connected(hub, clock)
    hub.fail_next("POST", "/pulls$", status=code)
    with pytest.raises(ForgeRefused, match=str(code)):
        open_pull(forge)
    forge.close()
    assert (clock.slept, demo.pulls) == ([], {})
