"""One reply of the scripted model, as each of the three interfaces streams it.

Each stream yields (name of the event or '', data); the shapes are the least that the agents take.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.scripted_model_request import Asked, Body, Interface
from tests.support.scripted_model_script import Answer, Step, Tokens

Event = tuple[str, Mapping[str, Any] | str]

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers to one request: text, one tool call, tokens, and how it ends."""

    asked: Asked
    text: str
    tokens: Tokens
    tool: tuple[str, Body] | None = None
    cut: bool = False
    error: tuple[str, str] | None = None
    """The code and the message of an error inside the stream."""

    @property
    def arguments(self) -> str:
        return packed(self.tool[1]) if self.tool else ""


def reply_to(asked: Asked, step: Step) -> Reply:
    """The reply by this step.

    Raises:
        ScriptDoesNotFit: the agent offers no tool for it.
    """
    tool = None if step.call is None else asked.tool_for(step.call)
    how = step.fault.how if step.fault else ""
    error = (step.fault.code, step.fault.message) if step.fault and how == "event" else None
    answer = step.call.text if isinstance(step.call, Answer) and tool is None else ""
    return Reply(asked, step.say or answer, step.tokens, tool, cut=how == "truncate", error=error)


def packed(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def error_body(interface: Interface, status: int, code: str, message: str) -> Body:
    """The body of an answer with an error status."""
    kind = code or _KINDS.get(status, "api_error")
    if interface == "messages":
        return {"type": "error", "error": {"type": kind, "message": message}}
    return {"error": {"message": message, "type": kind, "code": code or None, "param": None}}


def stream(reply: Reply) -> Iterator[Event]:
    """The events of `reply` in the stream of its interface."""
    return _STREAMS[reply.asked.interface](reply)


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def _response_items(reply: Reply) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if reply.text:
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
        items.append({"type": "message", "id": _id("msg"), "role": "assistant", "content": content})
    if reply.tool:
        call = {"name": reply.tool[0], "arguments": reply.arguments, "call_id": _id("call")}
        items.append({"type": "function_call", "id": _id("fc"), **call})
    return [{**item, "status": "completed"} for item in items]


def _responses(reply: Reply) -> Iterator[Event]:
    base = {"id": _id("resp"), "object": "response", "model": reply.asked.model}

    def event(kind: str, **more: Any) -> Event:
        return kind, {"type": kind, **more}

    yield event("response.created", response={**base, "status": "in_progress", "output": []})
    if reply.error:
        error = {"code": reply.error[0] or "server_error", "message": reply.error[1]}
        failed = {**base, "status": "failed", "output": [], "error": error}
        yield event("response.failed", response=failed)
        return
    items = _response_items(reply)
    for index, item in enumerate(items):
        empty: Body = {"content": []} if item["type"] == "message" else {"arguments": ""}
        begun = {**item, **empty, "status": "in_progress"}
        yield event("response.output_item.added", output_index=index, item=begun)
        if item["type"] == "message":
            where = {"item_id": item["id"], "output_index": index, "content_index": 0}
            yield event("response.output_text.delta", **where, delta=reply.text)
        yield event("response.output_item.done", output_index=index, item=item)
    ended = {**base, "output": items, "usage": _response_usage(reply.tokens)}
    if reply.cut:
        reason = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        yield event("response.incomplete", response={**ended, **reason})
    else:
        yield event("response.completed", response={**ended, "status": "completed"})


def _response_usage(tokens: Tokens) -> Body:
    return {
        "input_tokens": tokens.read,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.wrote,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.read + tokens.wrote,
    }


def _chat(reply: Reply) -> Iterator[Event]:
    base = {"id": _id("chatcmpl"), "object": "chat.completion.chunk", "created": 0}
    base["model"] = reply.asked.model

    def chunk(delta: Body, finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return "", {**base, "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    if reply.error:
        code, message = reply.error
        yield "", {"error": {"message": message, "type": "server_error", "code": code or None}}
        return
    if reply.text:
        yield chunk({"content": reply.text})
    if reply.tool:
        call = {"name": reply.tool[0], "arguments": reply.arguments}
        listed = [{"index": 0, "id": _id("call"), "type": "function", "function": call}]
        yield chunk({"tool_calls": listed})
    yield chunk({}, "length" if reply.cut else "tool_calls" if reply.tool else "stop")
    yield "", {**base, "choices": [], "usage": _chat_usage(reply.tokens)}
    yield "", "[DONE]"


def _chat_usage(tokens: Tokens) -> Body:
    return {
        "prompt_tokens": tokens.read,
        "completion_tokens": tokens.wrote,
        "total_tokens": tokens.read + tokens.wrote,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def whole_message(reply: Reply) -> Body:
    """The reply in one piece: Claude Code asks so when a stream has failed."""
    return {
        **_message_head(reply),
        "content": _message_blocks(reply),
        "stop_reason": _message_end(reply),
    }


def _message_head(reply: Reply) -> dict[str, Any]:
    tokens = reply.tokens
    return {
        "id": _id("msg"),
        "type": "message",
        "role": "assistant",
        "model": reply.asked.model,
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens.read - tokens.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": tokens.cached,
            "output_tokens": tokens.wrote,
        },
    }


def _message_blocks(reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    if reply.tool:
        name, given = reply.tool
        blocks.append({"type": "tool_use", "id": _id("toolu"), "name": name, "input": given})
    return blocks


def _message_end(reply: Reply) -> str:
    if reply.cut:
        return "max_tokens"
    return "tool_use" if reply.tool else "end_turn"


def _messages(reply: Reply) -> Iterator[Event]:
    def event(kind: str, **more: Any) -> Event:
        return kind, {"type": kind, **more}

    head = _message_head(reply)
    usage = head["usage"]
    begun = {**head, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield event("message_start", message=begun)
    if reply.error:
        error = {"type": reply.error[0] or "overloaded_error", "message": reply.error[1]}
        yield event("error", error=error)
        return
    for index, block in enumerate(_message_blocks(reply)):
        if block["type"] == "text":
            delta = {"type": "text_delta", "text": block["text"]}
            begun = {**block, "text": ""}
        else:
            given = packed(block["input"])
            delta = {"type": "input_json_delta", "partial_json": given}
            begun = {**block, "input": {}}
        yield event("content_block_start", index=index, content_block=begun)
        yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    end = {"stop_reason": _message_end(reply), "stop_sequence": None}
    yield event("message_delta", delta=end, usage=usage)
    yield event("message_stop")


_STREAMS = {"responses": _responses, "chat": _chat, "messages": _messages}
