"""What the scripted model is to answer: scripts, chosen by the prompt, each a list of steps.

A script names no tool: `Shell`, `Write` and `Read` become whatever tool the agent offers, so that
one script drives every command-line agent. A step answers one request; it says something, calls at
most one tool, or goes wrong in the way that its fault names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Fails = Literal[
    "status",
    "event",
    "reset",
    "reset midway",
    "stall",
    "stall midway",
    "html",
    "truncate",
]


class ScriptDoesNotFit(Exception):
    """The script cannot be played for this request; it must be answered by an error."""


@dataclass(frozen=True, slots=True)
class Shell:
    """Run a command with the agent's shell tool."""

    command: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write a file with the agent's own tool, or with its shell where it has none for that."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read a file with the agent's own tool, or with its shell where it has none for that."""

    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """End with this JSON: by the agent's own tool for a structured answer, or else as the text."""

    text: str


Call = Shell | Write | Read | Answer


@dataclass(frozen=True, slots=True)
class Fault:
    """How an answer goes wrong, the first `times` times; None is always.

    `status` answers with that HTTP status, `event` with an error inside the stream, `html` with a
    page, `truncate` ends the reply at the output limit; `reset` hangs up and `stall` stops sending,
    both before the answer, or `midway` in its stream.
    """

    how: Fails
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    message: str = "scripted failure"
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one answer costs: `read` includes what came from the cache, `wrote` the reasoning."""

    read: int = 1000
    cached: int = 200
    wrote: int = 50
    reasoning: int = 10


@dataclass(frozen=True, slots=True)
class Step:
    """The answer to one request. `${name}` in its texts is filled in from the prompt."""

    say: str = ""
    call: Call | None = None
    fault: Fault | None = None
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(frozen=True, slots=True)
class Script:
    """The steps for prompts in which the pattern `when` is found."""

    name: str
    when: str
    steps: tuple[Step, ...]


DONE = Step(say="Done.")
"""What the model says when its script is over."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """All scripts; `variables` are patterns whose first group fills `${name}`.

    A prompt arrived whole when all of `marks` are in it.
    """

    scripts: tuple[Script, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    def script_for(self, prompt: str) -> Script:
        """The first script that fits.

        Raises:
            ScriptDoesNotFit: none does.
        """
        for script in self.scripts:
            if re.search(script.when, prompt):
                return script
        raise ScriptDoesNotFit("no script is for this prompt")

    def step(self, script: Script, turn: int, prompt: str) -> Step:
        """The step for this turn with its variables filled in.

        Raises:
            ScriptDoesNotFit: the prompt gives no value for a variable.
        """
        step = script.steps[turn] if turn < len(script.steps) else DONE
        return replace(step, say=self._filled(step.say, prompt), call=self._call(step, prompt))

    def is_whole(self, prompt: str) -> bool:
        """Whether nothing of the prompt is missing, as far as the marks tell."""
        return all(mark in prompt for mark in self.marks)

    def _call(self, step: Step, prompt: str) -> Call | None:
        match step.call:
            case Shell(command):
                return Shell(self._filled(command, prompt))
            case Write(path, text):
                return Write(self._filled(path, prompt), self._filled(text, prompt))
            case Read(path):
                return Read(self._filled(path, prompt))
            case Answer(text):
                return Answer(self._filled(text, prompt))
            case None:
                return None

    def _filled(self, text: str, prompt: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in self.variables:
                return match.group(0)
            found = re.search(self.variables[name], prompt)
            if found is None:
                raise ScriptDoesNotFit(f"the prompt gives no value for {name}")
            return found.group(1)

        return re.sub(r"\$\{(\w+)\}", value, text)
