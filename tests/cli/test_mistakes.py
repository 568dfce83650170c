"""Thirty mistakes that people make: each gets a sentence, a remedy, and an exit code.

What the remedy says is done then, and the mistake is gone.
"""

from __future__ import annotations

import fcntl
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from tests.cli.harness import Repo, Result
from tests.pages import ROOT
from tests.troubleshooting.page import anchor_of, catalogue

ANCHORS = {anchor_of(heading) for section in catalogue().values() for heading in section}
PAGE = re.compile(r"^  https://\S+/troubleshooting\.html#([a-z-]+)$", re.MULTILINE)
CHECK = ("card", "check", ".loop/task_card.json")
DONE = "Approved in round 1."


def typed(*words: str) -> Callable[[Repo], Result]:
    """Somebody types a command."""
    return lambda repo: repo.loop(*words)


def written(path: str, text: str, *words: str) -> Callable[[Repo], Result]:
    """Somebody writes a file, then types a command."""

    def act(repo: Repo) -> Result:
        place = repo.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return repo.loop(*words)

    return act


def after(prepare: Callable[[Repo], object], *words: str) -> Callable[[Repo], Result]:
    """Something happens, then somebody types a command."""

    def act(repo: Repo) -> Result:
        prepare(repo)
        return repo.loop(*words)

    return act


def shell(*commands: str, then: Sequence[str]) -> Callable[[Repo], Result]:
    """Somebody types other commands, then one of `loop`."""

    def act(repo: Repo) -> Result:
        for command in commands:
            subprocess.run(
                shlex.split(command),
                cwd=repo.root,
                env=repo.environ,
                check=True,
                capture_output=True,
            )
        return repo.loop(*then)

    return act


@dataclass(frozen=True)
class Mistake:
    """What is done wrong, what is printed, and what is done about it by what was printed."""

    wrong: Callable[[Repo], Result]
    code: int
    words: tuple[str, ...]
    right: Callable[[Repo], Result]
    right_code: int = 0
    right_words: str = ""
    is_usage: bool = False
    """Whether it is the command line's own error, which has no page."""


CARD = ".loop/task_card.json"
GOOD = '{"task_id": "T-001", "goal": "Make VALUE right."}'
RUN = ("run", "--auto-dispatch")


def outside(*words: str) -> Callable[[Repo], Result]:
    """Somebody is in a folder that is in no repository."""

    def act(repo: Repo) -> Result:
        place = repo.root.parent / "elsewhere"
        place.mkdir(exist_ok=True)
        return repo.loop(*words, cwd=place)

    return act


def in_new_repository(*words: str, commit: bool = False) -> Callable[[Repo], Result]:
    def act(repo: Repo) -> Result:
        place = repo.root.parent / "elsewhere"
        place.mkdir(exist_ok=True)
        repo.git("init", "--quiet", cwd=place)
        if commit:
            repo.git("commit", "--quiet", "--allow-empty", "-m", "First", cwd=place)
        return repo.loop(*words, cwd=place)

    return act


def with_agent(text: str, mode: int) -> Callable[[Repo], Result]:
    """Somebody runs an agent of their own, which has this mode."""

    def act(repo: Repo) -> Result:
        program = repo.root.parent / "agent.sh"
        program.write_text(text)
        program.chmod(mode)
        words = ("--worker-backend", "command", "--worker-command", str(program))
        return repo.loop(*RUN, "--dispatch-retries", "0", *words)

    return act


def while_another_run_holds_the_lock(repo: Repo) -> Result:
    with (repo.folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return repo.loop(*RUN)


def with_an_old_python(repo: Repo) -> Result:
    """Somebody types `make` where Python is too old."""
    old = repo.bin / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    words = ["make", "-f", str(ROOT / "Makefile"), f"PYTHON={old}", ".venv/bin/uv"]
    return repo.execute(words, cwd=repo.root.parent)


MISTAKES = {
    "a flag misspelt": Mistake(
        *(typed("run", "--auto-dispath"), 2, ("No such option", "--auto-dispatch")),
        *(typed("run", "--auto-dispatch", "--help"), 0, "Usage"),
        is_usage=True,
    ),
    "a command misspelt": Mistake(
        *(typed("stauts"), 2, ("No such command", "status")),
        *(typed("status"), 0, "State: idle"),
        is_usage=True,
    ),
    "a backend misspelt": Mistake(
        *(typed(*RUN, "--worker-backend", "claud"), 3, ("claud", "Did you mean 'claude'?")),
        *(typed(*RUN, "--worker-backend", "claude"), 0, DONE),
    ),
    "a key of the card misspelt": Mistake(
        written(CARD, '{"task_id": "T-001", "goal": "x", "acceptance_critera": []}', *CHECK),
        *(3, ("unknown key 'acceptance_critera'", "Did you mean 'acceptance_criteria'?")),
        written(CARD, '{"task_id": "T-001", "goal": "x", "acceptance_criteria": []}', *CHECK),
    ),
    "a setting misspelt": Mistake(
        written(".loop/config.yaml", "max_round: 2\n", *RUN),
        *(3, (".loop/config.yaml", "unknown setting 'max_round'", "Did you mean 'max_rounds'?")),
        *(written(".loop/config.yaml", "max_rounds: 2\n", *RUN), 0, DONE),
    ),
    "no card": Mistake(
        after(lambda repo: (repo.root / CARD).unlink(), *RUN),
        *(3, ("was not found", "A minimal card", "task_id")),
        *(written(CARD, GOOD, *RUN), 0, DONE),
    ),
    "no repository": Mistake(
        *(outside(*RUN), 1, ("is not in a git work tree", "git init")),
        *(in_new_repository(*RUN), 1, "has no commit"),
    ),
    "a repository without a commit": Mistake(
        *(in_new_repository(*RUN), 1, ("has no commit", "Make a first commit")),
        *(in_new_repository(*RUN, commit=True), 3, "A minimal card"),
    ),
    "uncommitted changes": Mistake(
        *(written("calc.py", "VALUE = 7\n", *RUN), 4, ("calc.py", "--allow-dirty")),
        *(typed(*RUN, "--allow-dirty"), 0, DONE),
    ),
    "a revision that is none": Mistake(
        typed("extract-diff", "nope", "HEAD"),
        *(1, ("invalid git ref 'nope'", "Name a commit, branch or tag.")),
        *(typed("extract-diff", "HEAD~1", "HEAD"), 0, "calc.py"),
    ),
    "a server that does not answer": Mistake(
        shell("git remote add origin http://127.0.0.1:9/a/b", then=("fetch", "T-001")),
        *(6, ("does not answer", "Check the network and the address of the remote")),
        *(shell("git remote set-url origin .", then=("fetch", "T-001")), 5, "There is no loop"),
    ),
    "no remote": Mistake(
        *(typed("fetch", "T-001"), 3, ("There is no remote named 'origin'", "git remote add")),
        *(shell("git remote add origin .", then=("fetch", "T-001")), 5, "There is no loop"),
    ),
    "a placeholder that is none": Mistake(
        typed(*RUN, "--worker-backend", "command", "--worker-command", "true {prompt}"),
        *(3, ("{prompt}", "{prompt_file}")),
        typed(*RUN, "--worker-backend", "command", "--worker-command", "true {prompt_file}"),
        *(2, "without writing work_report.json"),
    ),
    "an id that no card has": Mistake(
        after(lambda repo: repo.card(".loop/tasks/T-002.json", task_id="T-002"), "run", "T-009"),
        *(3, ("T-009", "was not found", "T-002")),
        *(typed(*RUN, "T-002"), 0, DONE),
    ),
    "verify as text": Mistake(
        written(CARD, '{"task_id": "T-001", "goal": "x", "verify": "make test"}', *CHECK),
        *(3, ("'verify'", "a list", '["')),
        written(CARD, '{"task_id": "T-001", "goal": "x", "verify": ["make test"]}', *CHECK),
    ),
    "YAML that is none": Mistake(
        written("card.yml", "task_id: T-1\ngoal: [x\n", "card", "check", "card.yml"),
        *(3, ("card.yml", "invalid YAML: line", "at that place")),
        written("card.yml", "task_id: T-1\ngoal: x\n", "card", "check", "card.yml"),
    ),
    "JSON that is none": Mistake(
        *(written(CARD, '{"task_id": "T-001",}', *CHECK), 3, ("invalid JSON: line 1, column",)),
        written(CARD, GOOD, *CHECK),
    ),
    "an empty card": Mistake(
        *(written(CARD, "", *CHECK), 3, ("it is empty", "Write something in it")),
        written(CARD, GOOD, *CHECK),
    ),
    "a number that is none": Mistake(
        written(".loop/config.yaml", "max_rounds: many\n", *RUN),
        *(3, (".loop/config.yaml", "'max_rounds'", "whole number")),
        *(written(".loop/config.yaml", "max_rounds: 2\n", *RUN), 0, DONE),
    ),
    "a value out of bounds": Mistake(
        typed(*RUN, "--dispatch-retry-base-sec", "0.1"),
        *(3, ("--dispatch-retry-base-sec", "1 or more")),
        *(typed(*RUN, "--dispatch-retry-base-sec", "1"), 0, DONE),
    ),
    "flags that contradict": Mistake(
        *(typed(*RUN, "--reset", "--resume"), 3, ("contradict", "Leave one of them out.")),
        *(typed(*RUN, "--reset"), 0, DONE),
    ),
    "nothing to resume": Mistake(
        *(typed(*RUN, "--resume"), 5, ("no recorded loop", "without --resume")),
        *(typed(*RUN), 0, DONE),
    ),
    "an agent that is not installed": Mistake(
        after(lambda repo: (repo.bin / "codex").unlink(), *RUN),
        *(2, ("codex", "npm install --global @openai/codex@", "`loop doctor`")),
        *(typed(*RUN, "--worker-backend", "claude", "--reviewer-backend", "claude"), 0, DONE),
    ),
    "an id with a slash": Mistake(
        written(CARD, '{"task_id": "a/b", "goal": "x"}', *CHECK),
        *(3, ("task_id",)),
        written(CARD, '{"task_id": "a-b", "goal": "x"}', *CHECK),
    ),
    "an agent that is not executable": Mistake(
        with_agent("#!/bin/sh\n", 0o644),
        *(2, ("agent.sh is there, and not executable: chmod +x", "#worker-dispatch-failed")),
        *(with_agent("#!/bin/sh\n", 0o755), 2, "The worker ended without writing"),
    ),
    "an agent that writes no report": Mistake(
        with_agent("#!/bin/sh\n", 0o755),
        *(2, ("The worker ended without writing work_report.json", "Transcripts are in")),
        *(typed("logs"), 0, "worker"),
    ),
    "two runs at once": Mistake(
        *(while_another_run_holds_the_lock, 5, ("Another run is already running", "Wait for it")),
        *(typed(*RUN), 0, DONE),
    ),
    "no round at all": Mistake(
        typed(*RUN, "--max-rounds", "0"),
        *(7, ("max_rounds_exhausted", "--max-rounds 1 --resume", "#max-rounds-exhausted")),
        *(typed(*RUN, "--max-rounds", "1", "--resume"), 0, DONE),
    ),
    "a heading of a card misspelt": Mistake(
        written("body.md", "### Goals\n\nx\n", "card", "check", "--issue", "body.md"),
        *(3, ("'Goals'", "Goal")),
        written("body.md", "### Goal\n\nx\n", "card", "check", "--issue", "body.md"),
    ),
    "status outside of a repository": Mistake(
        *(outside("status"), 0, ("is in no git repository", "git init")),
        *(in_new_repository("status"), 0, "State: idle"),
    ),
    "a Python that is too old": Mistake(
        *(with_an_old_python, 2, ("Python 3.11 or newer is needed: make PYTHON=python3.12",)),
        *(typed("--version"), 0, "loop "),
        is_usage=True,
    ),
}


def test_thirty_mistakes_are_made() -> None:
    assert len(MISTAKES) >= 30


@pytest.mark.parametrize("where", ["a subfolder", "a detached HEAD", "an editor's $schema"])
def test_what_looks_like_a_mistake_and_is_none_just_works(repo: Repo, where: str) -> None:
    place = repo.root / "deep"
    place.mkdir()
    if where == "a detached HEAD":
        repo.git("checkout", "--quiet", "--detach")
    if where == "an editor's $schema":
        repo.card(**{"$schema": "https://example.org/card.json"})
    done = repo.loop(*RUN, cwd=place if where == "a subfolder" else repo.root)
    assert done.code == 0, done.text


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_and_its_remedy_works(repo: Repo, mistake: Mistake) -> None:
    wrong = mistake.wrong(repo)
    text = wrong.text
    print(text)
    assert "Traceback" not in text
    assert "Correct it" not in text
    assert wrong.code == mistake.code, text
    for word in mistake.words:
        assert word in text, text
    if not mistake.is_usage and wrong.err.startswith("Error: "):
        assert set(PAGE.findall(wrong.err)) <= ANCHORS
        assert len(PAGE.findall(wrong.err)) == 1

    right = mistake.right(repo)
    assert right.code == mistake.right_code, right.text
    assert mistake.right_words in right.text
    assert mistake.words[0] not in right.err or mistake.right_words
