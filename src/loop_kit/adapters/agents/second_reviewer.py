"""The second reviewer's backend, from the setting `second-reviewer`: `backend[:model]`.

For `command` and `scripted`, which have no models, the text after the colon is the command and the
script. Arguments and command of the first reviewer count for the second one of the same backend.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from loop_kit.adapters.agents.built_in import COMMAND, MANUAL
from loop_kit.adapters.agents.command_line import Setup
from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.agent.role import Role
from loop_kit.core.command_words import split_words
from loop_kit.errors import BadSetting, LoopError
from loop_kit.ports import Agent, AgentExit, Assignment, Reporter
from loop_kit.settings import Settings

_SAME_MODEL = (
    "The second reviewer is the same model as the first: a second pass, not a second opinion."
)
_SCRIPTED = "scripted"


class MissingAgent:
    """An agent that cannot be had; `why` says so in sentences."""

    is_program = True

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def check(self) -> str:
        """Why it cannot run."""
        return self._why

    def run(self, assignment: Assignment, reporter: Reporter) -> AgentExit:
        """Fail at once."""
        del assignment, reporter
        return AgentExit(exit_code=127, problem=Problem(ProblemKind.MISSING_TOOL, self._why))


def choose_second_reviewer(
    settings: Settings,
    first: str,
    setup: Callable[[str], Setup],
    factory: Callable[[str, Role], Callable[[Setup], Agent]],
) -> Agent:
    """The second reviewer; `first` is the backend of the first.

    Raises:
        LoopError: it is required, and cannot be had.
    """
    name, model = _split(settings.second_reviewer)
    try:
        if not settings.auto_dispatch or name == MANUAL:
            raise BadSetting(
                "The second reviewer has to be a program, and people take part in this run.",
                "Add --auto-dispatch, and name another second-reviewer.",
                anchor="backend-incomplete",
            )
        found = factory(name, Role.SECOND_REVIEWER)
        return found(_own_setup(setup(name), name, model, is_same=name == first))
    except LoopError as error:
        if settings.second_reviewer_mode == "required":
            raise
        return MissingAgent(name, error.sentence)


def models(settings: Settings) -> Mapping[Role, str]:
    """The models that the settings name."""
    name, model = _split(settings.second_reviewer)
    second = "" if name in {COMMAND, _SCRIPTED} else model
    worker, reviewer = settings.worker_model.strip(), settings.reviewer_model.strip()
    return {Role.WORKER: worker, Role.REVIEWER: reviewer, Role.SECOND_REVIEWER: second}


def report_same_model(settings: Settings, agents: Mapping[Role, Agent], reporter: Reporter) -> None:
    """Report a second reviewer that is the same model of the same backend as the first.

    Which model a command runs is not known: two commands may differ in it.
    """
    named, second = models(settings), agents.get(Role.SECOND_REVIEWER)
    same = named[Role.REVIEWER] == named[Role.SECOND_REVIEWER]
    command = _split(settings.second_reviewer)[1] if second and second.name == COMMAND else ""
    same = same and (not command or _words(command) == settings.reviewer_command)
    if second is not None and same and agents[Role.REVIEWER].name == second.name:
        reporter.note(_SAME_MODEL)


def _own_setup(setup: Setup, name: str, model: str, *, is_same: bool) -> Setup:
    if name == COMMAND and model:
        return replace(setup, command=_words(model), args=(), model="")
    if name == _SCRIPTED and model:
        return replace(setup, args=(model,), model="")
    return replace(setup, model=model, args=setup.args if is_same else ())


def _words(command: str) -> tuple[str, ...]:
    return split_words(command, windows=sys.platform == "win32")


def _split(text: str) -> tuple[str, str]:
    name, _, model = text.strip().partition(":")
    return name.lower(), model.strip()
