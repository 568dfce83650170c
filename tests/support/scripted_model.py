"""A model on 127.0.0.1 for the real command-line agents: it plays a script instead of thinking.

It speaks OpenAI's Responses and Chat Completions and Anthropic's Messages. What its scenario has no
answer for is refused and logged, never let pass; as a proxy it refuses everything, so that an agent
whose proxy it is cannot reach anything else unseen.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.loopback import LoopbackHandler, LoopbackServer
from tests.support.scripted_model_replies import (
    Reply,
    error_body,
    packed,
    reply_to,
    stream,
    whole_message,
)
from tests.support.scripted_model_request import PATHS, Asked, Body, read_request
from tests.support.scripted_model_script import (
    Fault,
    Scenario,
    Script,
    ScriptDoesNotFit,
    Step,
    Tokens,
)

_MIDWAY = 2
"""How many events of a stream are sent before it breaks."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it; `spent` is what the agent was told that it costs."""

    asked: Asked
    script: str
    outcome: str
    whole: bool
    spent: Tokens | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """The answer that is due: a reply, unless its fault comes first."""

    reply: Reply
    fault: Fault | None


class ScriptedModel:
    """Serves a scenario between `with` and its end. `scenario` may be replaced while it runs."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.exchanges: list[Exchange] = []
        self.strays: list[str] = []
        """Requests that no model gets, such as those to other hosts."""
        self.keys: set[str] = set()
        """Every key that was sent."""
        self._failed: Counter[tuple[str, int]] = Counter()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        model = self

        class Handler(_Handler):
            served = model

        self._server = LoopbackServer(Handler)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def failures(self) -> Sequence[BaseException]:
        """What went wrong in here."""
        return self._server.failures

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.stop()

    def of(self, script: str) -> list[Exchange]:
        """The exchanges of one script, in their order."""
        return [each for each in self.exchanges if each.script == script]

    def due(self, script: Script, asked: Asked) -> _Due:
        """The answer to this request.

        Raises:
            ScriptDoesNotFit: the scenario has none.
        """
        step = self.scenario.step(script, asked.turn, asked.prompt)
        return _Due(reply_to(asked, step), self._fault(script, asked, step))

    def _fault(self, script: Script, asked: Asked, step: Step) -> Fault | None:
        if step.fault is None or step.fault.times is None:
            return step.fault
        with self._guard:
            self._failed[script.name, asked.turn] += 1
            return step.fault if self._failed[script.name, asked.turn] <= step.fault.times else None

    def log(self, asked: Asked, script: str, outcome: str, spent: Tokens | None = None) -> None:
        """Add to `exchanges`."""
        whole = self.scenario.is_whole(asked.prompt)
        with self._guard:
            self.exchanges.append(Exchange(asked, script, outcome, whole, spent))

    def stray(self, request: str) -> None:
        """Add to `strays`."""
        with self._guard:
            self.strays.append(request)

    def stall(self) -> None:
        """Wait until the server stops."""
        self._stopping.wait()


class _Handler(LoopbackHandler):
    served: ScriptedModel

    def do_GET(self) -> None:  # noqa: N802  (the base's names)
        path = self.path.split("?")[0]
        if path.endswith("/models"):
            self._send(200, {"object": "list", "data": [], "models": [], "has_more": False})
        elif self.command == "HEAD" and path in {"/", "/api/hello"}:
            self._send(200, {})
        else:
            self._stray()

    do_HEAD = do_GET  # noqa: N815

    def do_CONNECT(self) -> None:  # noqa: N802
        self._stray()

    def do_POST(self) -> None:  # noqa: N802
        with self.spool_body() as spooled:
            raw = spooled.read()
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            self._send(200, {"input_tokens": max(1, len(raw) // 4)})
            return
        interface = next((PATHS[end] for end in PATHS if path.endswith(end)), None)
        if interface is None or not self.path.startswith("/"):
            self._stray()
            return
        asked = read_request(interface, json.loads(raw))
        sent = self.headers.get("x-api-key") or self.headers.get("authorization") or ""
        self.served.keys.add(sent.removeprefix("Bearer "))
        try:
            script = self.served.scenario.script_for(asked.prompt)
            due = self.served.due(script, asked)
        except ScriptDoesNotFit as error:
            self.served.log(asked, "", f"refused: {error}")
            self._refuse(asked, 400, Fault("status", message=f"scripted model: {error}"))
            return
        self._answer(script, due)

    def _answer(self, script: Script, due: _Due) -> None:
        asked, fault = due.reply.asked, due.fault
        ended = fault is None or fault.how == "truncate"
        outcome = fault.how if fault else "served"
        self.served.log(asked, script.name, outcome, due.reply.tokens if ended else None)
        match fault.how if fault else "":
            case "status":
                assert fault is not None
                self._refuse(asked, fault.status, fault)
            case "html":
                self.send_whole(200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
            case "reset":
                self.drop_connection()
            case "stall":
                self.served.stall()
            case _ if asked.streamed:
                self._stream(due)
            case _ if asked.interface == "messages":
                self._send(200, whole_message(due.reply))
            case _:
                self._stray()

    def _stream(self, due: _Due) -> None:
        midway = due.fault.how if due.fault and due.fault.how.endswith("midway") else ""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for sent, (name, data) in enumerate(stream(due.reply)):
            if midway and sent == _MIDWAY:
                self.wfile.flush()
                if midway == "stall midway":
                    self.served.stall()
                self.drop_connection()
                return
            head = f"event: {name}\n" if name else ""
            body = data if isinstance(data, str) else packed(data)
            piece = f"{head}data: {body}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, asked: Asked, status: int, fault: Fault) -> None:
        body = error_body(asked.interface, status, fault.code, fault.message)
        self._send(status, body, dict(fault.headers))

    def _stray(self) -> None:
        self.served.stray(f"{self.command} {self.path}")
        self._send(404, {"error": {"type": "not_found_error", "message": "scripted model"}})
        self.close_connection = True

    def _send(self, status: int, body: Body, headers: dict[str, str] | None = None) -> None:
        data = b"" if self.command == "HEAD" else packed(body).encode()
        self.send_whole(
            status,
            {"Content-Type": "application/json", **(headers or {})},
            data,
        )
