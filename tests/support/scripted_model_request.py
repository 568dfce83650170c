"""What a request to the scripted model says, by whichever of the three interfaces it came.

Which step of a script is due is read from the request alone: it is the number of the model's turns
since the last prompt. So the retries of a client, a conversation that is taken up again, and a
server that was started anew all get the right step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.scripted_model_script import Answer, Call, Read, ScriptDoesNotFit, Shell, Write

Interface = Literal["responses", "chat", "messages"]
Body = Mapping[str, Any]

PATHS: Mapping[str, Interface] = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/messages": "messages",
}
_INJECTED = re.compile(
    r"\s*(<(system-reminder|environment_context|user_instructions|turn_aborted|"
    r"permissions instructions|skills_instructions|apps_instructions|model_switch|"
    r"recommended_plugins|local-command-[a-z]+|command-[a-z]+)\b|# AGENTS\.md instructions|"
    r"Output token limit hit\. Resume directly)"
)
"""Text in the user's role that the agents put there themselves; never the prompt."""


@dataclass(slots=True)
class _Conversation:
    prompts: list[str] = field(default_factory=list)
    turns: int = 0
    results: list[str] = field(default_factory=list)

    def user(self, text: str, *, more: bool = False) -> None:
        """Take a text in the user's role; with `more` it goes on with the prompt before it."""
        if not text.strip() or _INJECTED.match(text):
            return
        if more and self.prompts:
            self.prompts[-1] += f"\n{text}"
        else:
            self.prompts.append(text)
        self.turns = 0
        self.results = []


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the prompt of its turn, and what came after it."""

    interface: Interface
    model: str
    streamed: bool
    tools: frozenset[str]
    prompts: tuple[str, ...]
    turn: int
    results: tuple[str, ...]
    text: str
    """The whole body."""

    @property
    def prompt(self) -> str:
        return self.prompts[-1] if self.prompts else ""

    def tool_for(self, call: Call) -> tuple[str, Body] | None:
        """The name and the input of the agent's own tool for this call; None for a plain answer.

        Raises:
            ScriptDoesNotFit: the agent offers no such tool.
        """
        match call:
            case Shell(command):
                return self._shell(command)
            case Answer(text):
                offered = "StructuredOutput" in self.tools
                return ("StructuredOutput", json.loads(text)) if offered else None
            case Write(path, text):
                if "Write" in self.tools:
                    return "Write", {"file_path": path, "content": text}
                if "write" in self.tools:
                    return "write", {"filePath": path, "content": text}
                return self._shell(f"cat > '{path}' <<'END_OF_FILE'\n{text}\nEND_OF_FILE")
            case Read(path):
                if "Read" in self.tools:
                    return "Read", {"file_path": path}
                if "read" in self.tools:
                    return "read", {"filePath": path}
                return self._shell(f"cat '{path}'")

    def _shell(self, command: str) -> tuple[str, Body]:
        said = {"description": "Run the scripted command"}
        forms: tuple[tuple[str, Body], ...] = (
            ("exec_command", {"cmd": command, "yield_time_ms": 30_000}),
            ("shell_command", {"command": command}),
            ("shell", {"command": ["bash", "-lc", command]}),
            ("Bash", {"command": command, **said}),
            ("bash", {"command": command, **said}),
        )
        for name, given in forms:
            if name in self.tools:
                return name, given
        raise ScriptDoesNotFit(f"no shell tool among {', '.join(sorted(self.tools))}")


def read_request(interface: Interface, body: Body) -> Asked:
    """What a request's body says."""
    conversation = _READERS[interface](body)
    return Asked(
        interface=interface,
        model=str(body.get("model") or ""),
        streamed=bool(body.get("stream")),
        tools=frozenset(_tool_names(body.get("tools") or [])),
        prompts=tuple(conversation.prompts),
        turn=conversation.turns,
        results=tuple(conversation.results),
        text=json.dumps(body, ensure_ascii=False),
    )


def _tool_names(tools: Iterable[Body]) -> Iterable[str]:
    for tool in tools:
        if tool.get("type") == "namespace":
            yield from _tool_names(tool.get("tools") or [])
        else:
            about = tool.get("function") if isinstance(tool.get("function"), dict) else tool
            yield str((about or {}).get("name") or tool.get("type"))


def _texts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    kinds = {"text", "input_text", "output_text"}
    return [str(p["text"]) for p in parts if isinstance(p, dict) and p.get("type") in kinds]


def _responses(body: Body) -> _Conversation:
    """OpenAI's Responses: what the model said in one turn are neighbouring items."""
    found = _Conversation()
    in_turn = False
    for item in body.get("input") or []:
        kind = item.get("type") or "message"
        from_model = not kind.endswith("_output") and item.get("role") in {None, "assistant"}
        found.turns += from_model and not in_turn
        in_turn = from_model
        if kind == "message" and item.get("role") == "user":
            for text in _texts(item.get("content")):
                found.user(text)
        elif kind.endswith("_output"):
            output = item.get("output")
            found.results.append(output if isinstance(output, str) else "\n".join(_texts(output)))
    return found


def _chat(body: Body) -> _Conversation:
    """OpenAI's Chat Completions: each tool's result is a message of its own."""
    found = _Conversation()
    before = ""
    for message in body.get("messages") or []:
        role, text = message.get("role"), "\n".join(_texts(message.get("content")))
        if role == "assistant":
            found.turns += 1
        elif role == "tool":
            found.results.append(text)
        elif role == "user":
            found.user(text, more=before == "user")
        before = str(role)
    return found


def _messages(body: Body) -> _Conversation:
    """Anthropic's Messages: tools' results are blocks in the user's role.

    A prompt that was never answered stands before the next one, in the same message.
    """
    found = _Conversation()
    for message in body.get("messages") or []:
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        results = [block for block in blocks if block.get("type") == "tool_result"]
        if message.get("role") == "assistant":
            found.turns += 1
        elif results:
            found.results.extend("\n".join(_texts(each.get("content"))) for each in results)
        elif message.get("role") == "user":
            for text in _texts(content):
                found.user(text)
    return found


_READERS = {"responses": _responses, "chat": _chat, "messages": _messages}
