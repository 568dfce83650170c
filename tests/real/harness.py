"""The installed `loop` with the real codex, claude and opencode, and a scripted model behind them.

Every agent has a home of its own below the test's folder. The model is their proxy as well, so that
whatever they try to reach besides it is refused and seen.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psutil
from tests.cli.harness import FAST, Repo, Result, eventually
from tests.support.programs import Program
from tests.support.scripted_model import Exchange, ScriptedModel

Agent = Literal["codex", "claude", "opencode"]
Role = Literal["worker", "reviewer"]

PATIENCE = 240.0
_FETCH = re.compile(r"CONNECT registry\.[a-z.]+:443")
CODEX_CONFIG = """\
model = "scripted-1"
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
{more}
"""


def opencode_config(url: str) -> dict[str, Any]:
    """One provider, the scripted model, and none beside it."""
    limit = {"context": 200_000, "output": 8192}
    cost = {"input": 1, "output": 2, "cache_read": 0.1}
    model = {"name": "Scripted", "tool_call": True, "cost": cost, "limit": limit}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"},
        "models": {"scripted-1": model},
    }
    return {
        "model": "scripted/scripted-1",
        "small_model": "scripted/scripted-1",
        "enabled_providers": ["scripted"],
        "provider": {"scripted": provider},
    }


@dataclass
class Bench(Repo):
    """A scratch repository, the homes of the agents, and the model."""

    model: ScriptedModel | None = None

    @property
    def served(self) -> ScriptedModel:
        assert self.model is not None
        return self.model

    def furnish(self, codex: str = "") -> None:
        """Write the configuration that a user of these agents has; `codex` is added to codex's."""
        url = self.served.url
        (self.home / "tmp").mkdir(exist_ok=True)
        (self.home / ".codex").mkdir(exist_ok=True)
        text = CODEX_CONFIG.format(url=url, more=codex)
        (self.home / ".codex" / "config.toml").write_text(text, "utf-8")
        (self.home / "opencode.json").write_text(json.dumps(opencode_config(url)), "utf-8")
        named = ("ANTHROPIC_*", "OPENCODE_*", "SCRIPTED_*", "CLAUDE_CODE_MAX_RETRIES")
        self.extra = {
            "LOOP_AGENT_ENV": ",".join(named),
            "TMPDIR": str(self.home / "tmp"),
            "CODEX_HOME": str(self.home / ".codex"),
            "SCRIPTED_KEY": "dummy",
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "dummy",
            "OPENCODE_CONFIG": str(self.home / "opencode.json"),
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "HTTP_PROXY": url,
            "HTTPS_PROXY": url,
            "NO_PROXY": "127.0.0.1",
        }

    def impatient(self) -> None:
        """Let the agents give up at the first failure, as their users can have it."""
        limits = ("request_max_retries = 0", "stream_max_retries = 0")
        self.furnish("\n".join(limits))
        self.extra["CLAUDE_CODE_MAX_RETRIES"] = "0"

    def argv(self, worker: Agent, reviewer: Agent, *args: str) -> list[str]:
        """`loop run` with these two."""
        pair = ("--worker-backend", worker, "--reviewer-backend", reviewer)
        return [
            sys.executable,
            "-P",
            "-m",
            "loop_kit",
            "run",
            "--auto-dispatch",
            *pair,
            *FAST,
            *args,
        ]

    def review(self, worker: Agent, reviewer: Agent, *args: str) -> Result:
        """`loop run` with these two, to its end."""
        return self.execute(self.argv(worker, reviewer, *args), patience=PATIENCE)

    def begin(self, worker: Agent, reviewer: Agent, *args: str) -> Program:
        """Start `loop run` with these two and leave it running."""
        return self.launch(self.argv(worker, reviewer, *args))

    def transcript(self, role: Role) -> str:
        """What this role's agent printed so far, in all its attempts."""
        return (self.folder / "logs" / f"{role}_dispatch.log").read_text("utf-8", "replace")

    def commands(self, role: Role) -> list[str]:
        """The command lines by which this role's agent was started."""
        return re.findall(r"^cmd=(.*)$", self.transcript(role), re.MULTILINE)

    def events(self, role: Role, kind: str) -> list[dict[str, Any]]:
        """The events of one kind in what this role's agent printed."""
        lines = self.transcript(role).splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event.get("type") == kind]

    def answered(self, script: str) -> Exchange:
        """The first request of a script, once it is there."""
        eventually(lambda: bool(self.served.of(script)), f"a request of {script}")
        return self.served.of(script)[0]

    def problems(self) -> list[str]:
        """The kinds of what the feed says went wrong with the agents, attempt by attempt."""
        ends = [e for e in self.feed() if e["event"] in {"dispatch_fail", "dispatch_complete"}]
        return [str(end["data"].get("problem", "")) for end in ends]

    def resumed(self) -> list[str]:
        """What the feed says of conversations that were to be taken up again."""
        told = [line for line in self.feed() if line["event"] == "dispatch_resume"]
        return [str(line["data"]["status"]) for line in told]

    def alive(self) -> list[str]:
        """The processes that have this test's home."""
        return [" ".join(found) for found in self._at_home()]

    def _at_home(self) -> Iterator[list[str]]:
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("HOME") == str(self.home)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    yield [str(process.pid), *process.cmdline()]
            except psutil.Error:
                continue


def foreign(bench: Bench, agents: Sequence[Agent]) -> list[str]:
    """What was asked for besides the model.

    opencode fetches its own plug-in package from a package registry into its configuration folder,
    and has no switch for that; it goes on when it cannot.
    """
    strays: list[str] = bench.served.strays
    return [each for each in strays if not ("opencode" in agents and _FETCH.fullmatch(each))]
