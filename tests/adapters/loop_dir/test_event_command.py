"""`on-event`: the command gets each event, and nothing that it does reaches the loop."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, Self, cast

import pytest
from tests import pages
from tests.fakes import FakeClock, RecordingReporter
from tests.support.loopback import LoopbackHandler, LoopbackServer

from loop_kit.adapters.loop_dir.event_command import EventCommand
from loop_kit.core.agent.environment import operator_environment
from loop_kit.core.loop.state import LoopState, Outcome, Usage

PYTHON = shlex.quote(sys.executable)
STATE = LoopState(task_id="T-1", round=1)


class Webhook(LoopbackServer):
    """Takes whatever is posted to it."""

    def __init__(self) -> None:
        super().__init__(_Post)
        self.bodies: list[bytes] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Post(LoopbackHandler):
    def do_POST(self) -> None:  # noqa: N802  (the base's name)
        with self.spool_body() as body:
            cast("Webhook", self.server).bodies.append(body.read())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _hear(command: str, folder: Path, *names: str) -> RecordingReporter:
    shown = RecordingReporter()
    environment = {"PATH": "/usr/bin:/bin", "PLACE": str(folder)}
    hearer = EventCommand(command, folder, environment, FakeClock(), shown)
    for name in names:
        hearer.event(name, STATE, {"role": "worker", "attempt": 1, "backend": "codex"})
    return shown


def test_each_event_is_json_on_the_input_of_a_run_of_its_own(tmp_path: Path) -> None:
    shown = _hear(
        'cat >> "$PLACE/events"; echo "" >> "$PLACE/events"; echo "$LOOP_EVENT" >> "$PLACE/names"',
        tmp_path,
        "round_start",
        "heartbeat",
        "dispatch_start",
    )

    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [event["event"] for event in events] == ["round.started", "attempt.started"]
    assert (tmp_path / "names").read_text().split() == ["round.started", "attempt.started"]
    assert shown.warnings == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (
            "echo no such channel >&2; exit 3",
            "ended with exit code 3: no such channel (round.started)",
        ),
        (
            f"{shlex.quote(sys.executable)} -c 'print(chr(120) * 400000)'",
            "printed more than 256 KiB",
        ),
        ("no-such-program-of-mine", "ended with exit code 127"),
    ],
)
def test_a_command_that_fails_is_reported_once(tmp_path: Path, command: str, why: str) -> None:
    (warning,) = _hear(command, tmp_path, "round_start", "dispatch_start").warnings

    assert why in warning
    assert warning.endswith("The loop continues without it.")


def test_the_command_sees_the_operators_variables_and_no_token_or_key() -> None:
    environ = {
        "PATH": "/bin",
        "WEBHOOK": "https://hooks.example/x",
        "GITHUB_TOKEN": "ghs_1",
        "MY_COPY": "ghs_1",
        "INPUT_OPENAI_API_KEY": "sk-1",
        "ACTIONS_RUNTIME_TOKEN": "r",
    }

    seen = operator_environment(environ, frozenset({"ghs_1", "sk-1"}))

    assert seen == {"PATH": "/bin", "WEBHOOK": "https://hooks.example/x"}


def posted(recipe: str, folder: Path) -> list[dict[str, Any]]:
    """What the recipe posts when a round starts and the loop ends."""
    script = folder / "notify.py"
    script.write_text(recipe, "utf-8")
    with Webhook() as webhook:
        shown = RecordingReporter()
        environment = {"PATH": "/usr/bin:/bin", "WEBHOOK": webhook.url}
        command = f"{PYTHON} {shlex.quote(str(script))}"
        hearer = EventCommand(command, folder, environment, FakeClock(), shown)
        hearer.event("round_start", STATE, {})
        ended = STATE.model_copy(
            update={"outcome": Outcome.APPROVED, "usage": Usage(cost_usd=1.22), "round": 2}
        )
        moved = {"from_state": "awaiting_review", "to_state": "done"}
        hearer.event("state_transition", ended, moved)
    assert shown.warnings == []
    return [json.loads(body) for body in webhook.bodies]


def test_the_recipes_of_the_page_post_how_a_loop_ended_to_slack_and_teams(tmp_path: Path) -> None:
    slack, body = pages.blocks("docs/events.md", "python")
    text = "Loop T-1: approved in round 2. 1.22 USD."
    plain = '    body = json.dumps({"text": text}).encode()\n'
    assert slack.count(plain) == 1

    assert posted(slack, tmp_path) == [{"text": text}]
    (message,) = posted(slack.replace(plain, f"{body.rstrip()}\n"), tmp_path)

    assert message["type"] == "message"
    (card,) = message["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["content"]["type"], card["content"]["version"]) == ("AdaptiveCard", "1.4")
    assert card["content"]["body"] == [{"type": "TextBlock", "text": text, "wrap": True}]
