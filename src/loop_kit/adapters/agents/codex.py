"""OpenAI's Codex CLI, driven by `codex exec --json`. Checked against codex 0.169.

The prompt goes through standard input: an argument over 128 KiB cannot be passed, and with an open
pipe beside it codex waits for ever. Telemetry and the plug-in sync are off (they cost 5 s at exit).
"""

from collections.abc import Sequence

from loop_kit.adapters.agents.command_line import (
    CommandLineAgent,
    Invocation,
    Setup,
    json_object,
    on_path,
)
from loop_kit.core.state import Spent
from loop_kit.ports import Job

INSTRUCTION = "Carry out the instructions given on stdin, completely."


def codex(setup: Setup) -> CommandLineAgent:
    """The backend `codex`."""

    def command(job: Job, executable: str) -> Invocation:
        argv = [
            executable,
            "exec",
            "--json",
            "--color",
            "never",
            "--dangerously-bypass-approvals-and-sandbox",
            "--skip-git-repo-check",
            "-c",
            "analytics.enabled=false",
            "--disable",
            "plugins",
            "-C",
            str(job.workspace),
            *(("-m", setup.model) if setup.model else ()),
            *setup.args,
            INSTRUCTION,
        ]
        return Invocation(argv, job.prompt.encode(errors="replace"))

    return CommandLineAgent(
        "codex", setup, lambda: on_path("codex", setup.environment), command, CodexReader
    )


class CodexReader:
    """Reads `thread.started`, `item.completed`, `turn.completed`, `turn.failed` and `error`."""

    def __init__(self) -> None:
        self.session_id = ""
        self.problem = ""
        self._tokens: tuple[int, int] | None = None

    @property
    def spent(self) -> Spent:
        """Tokens of a fresh thread; codex reports no money."""
        if self._tokens is None:
            return Spent()
        return Spent(tokens_in=self._tokens[0], tokens_out=self._tokens[1])

    def feed(self, line: bytes) -> Sequence[str]:
        """What to show of one event."""
        event = json_object(line)
        kind = event.get("type")
        if kind == "thread.started":
            self.session_id = str(event.get("thread_id") or "")
        elif kind == "turn.completed":
            self.problem = ""
            self._count(event.get("usage"))
        elif kind == "turn.failed":
            self.problem = _message(event.get("error")) or "the turn failed"
        elif kind == "error":
            # Also printed for every retry, so it is not final: a later turn.completed clears it.
            self.problem = str(event.get("message") or "")
        elif kind == "item.completed":
            return _shown(event.get("item"))
        return ()

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._tokens = (_whole(usage.get("input_tokens")), _whole(usage.get("output_tokens")))


def _shown(item: object) -> Sequence[str]:
    if not isinstance(item, dict):
        return ()
    kind = item.get("type")
    if kind == "command_execution":
        command = item.get("command")
        text = " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
        return (f"Running: {text}",) if text else ()
    if kind == "file_change":
        changes = item.get("changes")
        listed = changes if isinstance(changes, list) else []
        paths = [str(c.get("path")) for c in listed if isinstance(c, dict)]
        return (f"Editing: {', '.join(paths)}",) if paths else ()
    if kind == "agent_message" and isinstance(item.get("text"), str):
        return (f"Message: {item['text']}",)
    return ()


def _message(error: object) -> str:
    return str(error.get("message") or "") if isinstance(error, dict) else str(error or "")


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
