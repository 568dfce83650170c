"""What a stopped loop asks a person: why it stopped, what was tried, and the smallest choice.

A person who reads it was not there. So it says in a few lines what the agents disagree about or
could not do, shows what became of each finding, and offers answers that are commands, each of which
continues the loop when it is followed. What agents wrote is quoted, never trusted.
"""

import shlex

from loop_kit.core.forge import advice
from loop_kit.core.forge.choices import ANOTHER, Choice, asked, choices
from loop_kit.core.forge.findings import folded, place
from loop_kit.core.loop import outbox
from loop_kit.core.loop.findings import Finding
from loop_kit.core.loop.state import LoopState, Outcome, RoundRecord
from loop_kit.core.text.harmless import code, code_in_cell, inline
from loop_kit.frozen import frozen

MAX_ROWS = 20
MAX_ROUNDS = 8
"""The newest rounds of which the table of findings has a column."""

_AGENT_FAILED = {
    Outcome.WORKER_TIMEOUT,
    Outcome.REVIEWER_TIMEOUT,
    Outcome.WORKER_DISPATCH_FAILED,
    Outcome.REVIEWER_DISPATCH_FAILED,
    Outcome.INVALID_WORK_REPORT,
    Outcome.INVALID_REVIEW_REPORT,
}
"""Ends after which another agent may do better."""

_LEAVE = "Leave it as it is: nothing more runs, and what was pushed stays where it is."
_ANY = "A comment may name some of the findings only."
_AGAIN = "When nothing is left that blocks, a reviewer reads the same commit again."
_LONGEST = 600
MAX_ABOUT = 5
"""The findings that are quoted; the others are in the table."""


@frozen
class Question:
    """What a person is asked, in a sentence, and two or three answers, each with what takes it."""

    text: str
    answers: tuple[str, ...]


def question(state: LoopState) -> Question | None:
    """The question of a stopped loop; None where nothing is asked, or nobody can answer it here.

    It is harmless in a post.
    """
    waits = state.outcome not in {None, Outcome.APPROVED, Outcome.CANCELLED, Outcome.INTERRUPTED}
    if not waits or outbox.issue_or_pull(state) is None:
        return None
    offered = choices(state)
    if not offered:
        return Question("How should it continue?", _other_answers(state))
    return Question(asked_about(state), _answers(state, offered))


def question_lines(state: LoopState) -> list[str]:
    """The question as a part of a post; nothing where none is asked."""
    asked_now = question(state)
    if asked_now is None:
        return []
    findings = asked(state)
    about = [line for finding in findings[:MAX_ABOUT] for line in _about(finding, state)]
    notes = [_ANY] if len(findings) > 1 else []
    notes += [_AGAIN] if any(choice.act == "waive" for choice in choices(state)) else []
    tried = tried_words(state)
    notes += [f"Tried already: {tried}."] if tried else []
    return [
        *about,
        *([""] if about else []),
        f"**{asked_now.text} Choose one:**",
        *(f"- {answer}" for answer in asked_now.answers),
        *(["", " ".join(notes)] if notes else []),
    ]


def take_over(branch: str) -> list[str]:
    """How a person does the rest without the loop, folded."""
    get = f"git fetch origin {shlex.quote(branch)} && git switch {shlex.quote(branch)}"
    line = (
        f"{code(get)}, commit, `git push`, and merge the pull request. The loop does nothing more"
        " unless it is asked to."
    )
    return folded("How to take over yourself", [line]) if branch else []


def asked_about(state: LoopState) -> str:
    """The question about the findings that the stop is about."""
    ids = [finding.id for finding in asked(state)]
    named = ", ".join(ids)
    if "diff_growth" in state.reasons:
        return "Is the change right as large as it is?"
    if not ids:
        return "How should it continue?"
    if "contested" in state.reasons:
        return f"Who is right about {named}?"
    if "bar" in state.reasons:
        return f"{'Does' if len(ids) == 1 else 'Do'} {named} have to be fixed?"
    return f"What should become of {named}?"


def _about(finding: Finding, state: LoopState) -> list[str]:
    """What those say who disagree about a finding."""
    if "contested" not in state.reasons:
        return []
    notes = (("reviewer", finding.note), ("worker", finding.dispute))
    said = [f"the {who} says: {inline(text, _LONGEST)}" for who, text in notes if text]
    return [f"- About **{finding.id}** {text}" for text in said]


def _answers(state: LoopState, offered: tuple[Choice, ...]) -> tuple[str, ...]:
    answers = [f"`{each.command}`: {_lower(each.means)}{_effect(each)}" for each in offered]
    if len(offered) < 3:
        answers.append(f"{advice.CARD}: the card is what is wrong.")
    if "diff_growth" in state.reasons:
        answers[1:2] = [f"{advice.CARD}: the task is too large, and is narrower now."]
    return tuple(f"{answer[0].upper()}{answer[1:]}" for answer in answers)


def _lower(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"


def _effect(choice: Choice) -> str:
    if choice.act == "require":
        return ". It goes to the worker, and is not to be disputed again."
    if choice.act == "extend":
        return ", in two more rounds."
    if choice.act == "retry" and choice.rest:
        return ". Name another backend whose program and key this job has."
    if choice.short == "the size is right":
        return ". It is asked again only where the change grows further."
    return "."


def _other_answers(state: LoopState) -> tuple[str, ...]:
    """The answers to a stop that is not about findings: the advice, and one way beside it."""
    answers = [f"{way[0].upper()}{way[1:]}" for way in advice.ways(state)]
    if state.outcome in _AGENT_FAILED:
        answers.append(f"`{ANOTHER.command}`: {_lower(ANOTHER.means)}{_effect(ANOTHER)}")
    return (*answers, _LEAVE)


def tried_words(state: LoopState) -> str:
    """What the loop has tried beside usual rounds, in words; '' if nothing."""
    words = [_KINDS[r.kind].format(r.round) for r in state.history if r.kind]
    others = sorted(state.retry_with.items())
    words += [f"{code(name)} as the {inline(role.replace('_', ' '))}" for role, name in others]
    return ", ".join(words)


_KINDS = {
    "fresh": "a fresh conversation in round {}",
    "simplify": "a round only to simplify, {}",
    "review": "a review of the same commit in round {}",
}


def findings_table(state: LoopState) -> list[str]:
    """What became of each finding in each round, folded; the newest of many."""
    rounds = state.history[-MAX_ROUNDS:]
    rows = [f for f in state.findings if f.closed_round is None or f.closed_round >= _first(rounds)]
    if not rows or len(rounds) < 2:
        return []
    rows.sort(key=lambda finding: finding.status != "open" or not finding.blocking)
    more = len(state.findings) - len(rows[:MAX_ROWS])
    head = ["finding", *(f"r{record.round}" for record in rounds)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_row(finding, rounds))} |" for finding in rows[:MAX_ROWS]]
    lines += ["", f"And {more} more in `state.json`."] if more else []
    return folded("What became of each finding", lines)


def _first(rounds: tuple[RoundRecord, ...]) -> int:
    return rounds[0].round if rounds else 0


def _row(finding: Finding, rounds: tuple[RoundRecord, ...]) -> list[str]:
    where = f" {code_in_cell(place(finding))}" if finding.file else ""
    name = f"**{finding.id}** {finding.severity}{where}"
    last = rounds[-1].round
    return [name, *(_cell(finding, record, last) for record in rounds)]


def _cell(finding: Finding, record: RoundRecord, last: int) -> str:
    """What the finding was in one round; a person's decision after the last one counts there."""
    closed = None if finding.closed_round is None else min(finding.closed_round, last)
    round_ = record.round
    if round_ < finding.round or (closed is not None and round_ > closed):
        return ""
    if round_ == closed:
        return finding.status
    if not finding.blocking:
        return "later"
    if round_ == finding.round:
        return "raised"
    if finding.id in record.disputed:
        return "disputed"
    return "joined" if round_ in {joined.round for joined in finding.joined} else "open"
