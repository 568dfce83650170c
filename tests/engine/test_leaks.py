"""A secret in the worker's commits goes back to the worker once, and is never pushed."""

from __future__ import annotations

import base64
import json
import random
import string
from dataclasses import replace
from pathlib import Path

from tests.engine.world import World, approval
from tests.fakes import Act

from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.forge.status import status_comment
from loop_kit.core.loop.state import LoopState, Outcome, Role, parse_state
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.engine.options import Options
from loop_kit.ports import AgentExit, Assignment

KEY = "sk-proj-" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=80))
ENCODED = base64.b64encode(KEY.encode()).decode()
SECRETS = Forms({"openai-api-key": KEY})


def leaky(job: Assignment, times: int = 1, hidden: str = ENCODED) -> Act:
    if job.role is Role.REVIEWER:
        return approval(job)
    content = f"one\nkey = '{hidden}'\n" if job.attempt <= times else "clean\n"
    return Act({"notes": f"used {hidden}"}, {f"a{job.round}.py": content.encode()}, commit="Work")


def world(tmp_path: Path, times: int) -> World:
    options = Options(secrets=SECRETS, redact=Redactor(SECRETS))
    return World(tmp_path, script=lambda job: leaky(job, times), options=options)


def everything(world: World, state: LoopState) -> str:
    """All that was stored or posted."""
    files = {name: raw.decode("utf-8", "replace") for name, raw in world.server.files.items()}
    posts = [post.body for pull in world.forge.pulls for post in pull.posts]
    return json.dumps(
        [files, posts, world.forge.issues, str(state), status_comment(state)], default=str
    )


def test_it_goes_back_to_the_worker_with_the_place_and_without_the_value(tmp_path: Path) -> None:
    loop = world(tmp_path, times=1)

    state = loop.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert loop.asked(Role.WORKER) == [1, 1]
    prompt = loop.jobs[1].prompt
    assert "a1.py:2 holds this job's secret openai-api-key, encoded as base64" in prompt
    assert "a later commit that removes it is not enough" in prompt
    assert ENCODED[:12] not in prompt
    assert ENCODED[:12] not in everything(loop, state)


def test_the_second_time_a_person_decides_and_nothing_was_pushed(tmp_path: Path) -> None:
    loop = world(tmp_path, times=2)

    state = loop.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("push_refused",))
    assert (state.held, state.wip, state.refused_diff) == (None, None, "")
    assert loop.server.work_tip == loop.base
    assert "a1.py:2" in state.error
    assert "Say in the card" in state.error
    assert "commit it to `loop/T-001/work` yourself, then" in status_comment(state)
    assert ENCODED[:12] not in everything(loop, state)
    assert parse_state(loop.server.state) == state


def test_a_person_who_retries_gets_a_worker_that_starts_without_the_refused_commits(
    tmp_path: Path,
) -> None:
    loop = world(tmp_path, times=2)
    loop.job()

    state = loop.to_the_end()

    assert state.outcome is Outcome.APPROVED
    assert state.refusal is None
    assert loop.asked(Role.WORKER) == [1, 1, 1]
    assert not any(ENCODED in str(tree) for tree in loop.server.files.values())


def test_what_a_person_commits_is_not_searched(tmp_path: Path) -> None:
    """The remedy: only what comes after the head is the worker's."""
    loop = world(tmp_path, times=2)
    loop.job()
    base = loop.repository.commits[loop.base].tree
    pushed = loop.repository.commit(loop.base, {**base, "a1.py": ENCODED.encode()}, "By hand")
    loop.server.work_tip = pushed
    loop.job()

    state = loop.to_the_end()

    assert state.outcome is Outcome.APPROVED


def test_an_interrupted_worker_saves_no_commits_with_a_secret(tmp_path: Path) -> None:
    loop = world(tmp_path, times=1)
    loop.script = lambda job: replace(leaky(job), raises=KeyboardInterrupt())

    state = loop.job()

    assert (state.outcome, state.wip) == (Outcome.INTERRUPTED, None)
    assert loop.server.work_tip == loop.base


def test_what_verify_commands_and_agents_print_is_stored_and_posted_without_the_value(
    tmp_path: Path,
) -> None:
    """Through events: no reporter, store or post has to know."""
    loop = world(tmp_path, times=0)
    loop.verify = ("env",)
    loop.verifier.tail = f"OPENAI_API_KEY={KEY}\nin hex {KEY.encode().hex()}\nhalf {KEY[:30]}\n"

    state = loop.to_the_end()

    text = everything(loop, state)
    assert "OPENAI_API_KEY=***" in text
    for part in (KEY[8:16], KEY[-8:], KEY.encode().hex()[16:32]):
        assert part not in text


def test_the_words_of_an_agent_that_fails_are_stored_without_the_value(tmp_path: Path) -> None:
    loop = world(tmp_path, times=0)
    said = Problem(ProblemKind.AUTHENTICATION, f"Incorrect API key provided: {KEY}.")
    ended = AgentExit(exit_code=1, problem=said)
    loop.script = lambda job: Act(None, ended=ended)

    state = loop.job()

    assert state.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert "Incorrect API key provided: ***" in state.error
    assert KEY[8:16] not in everything(loop, state)
