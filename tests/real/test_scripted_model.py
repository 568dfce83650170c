"""The model that these tests believe in: it plays its script, and lets nothing else pass."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.scripted_model import ScriptedModel
from tests.support.scripted_model_script import Fault, Scenario, Script, Shell, Step

STEPS = (Step(call=Shell("touch ${name}")), Step(say="made ${name}"))
FLAKY = (Step(fault=Fault("status", status=429, headers={"retry-after": "7"}, times=1), say="up"),)
SCENARIO = Scenario(
    (Script("make", "make=", STEPS), Script("flaky", "flaky", FLAKY)),
    {"name": r"make=(\w+)"},
    marks=("from here", "to there"),
)
TOOL = {"name": "Bash"}


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(SCENARIO) as served:
        yield served
    assert served.failures == []


def ask(model: ScriptedModel, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ask for a whole message, as Anthropic's interface has it."""
    body = {"model": "m", "tools": [TOOL], "messages": messages, **more}
    request = urllib.request.Request(f"{model.url}/v1/messages", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assert_refused(
    model: ScriptedModel, status: int, *messages: dict[str, Any], **more: Any
) -> str:
    """The answer's headers as text."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        ask(model, *messages, **more)
    with raised.value as answer:
        assert answer.status == status
        return str(answer.headers)


def test_the_step_is_read_from_the_request(model: ScriptedModel) -> None:
    first = ask(model, user("make=one"))
    assert first["content"][0]["input"]["command"] == "touch one"
    answered = {"role": "assistant", "content": first["content"]}
    result = {"type": "tool_result", "tool_use_id": first["content"][0]["id"], "content": "ok"}

    second = ask(model, user("make=one"), answered, {"role": "user", "content": [result]})

    assert second["content"][0]["text"] == "made one"
    assert [each.asked.turn for each in model.exchanges] == [0, 1]
    assert model.exchanges[-1].asked.results == ("ok",)


def test_a_prompt_that_no_script_is_for_is_refused(model: ScriptedModel) -> None:
    assert_refused(model, 400, user("something else"))
    assert model.exchanges[0].outcome == "refused: no script is for this prompt"


def test_a_variable_without_a_value_is_refused(model: ScriptedModel) -> None:
    assert_refused(model, 400, user("make=?"))


def test_a_tool_that_is_not_offered_is_refused(model: ScriptedModel) -> None:
    assert_refused(model, 400, user("make=one"), tools=[{"name": "Other"}])


def test_a_failure_comes_as_often_as_it_is_scripted(model: ScriptedModel) -> None:
    assert "retry-after: 7" in assert_refused(model, 429, user("flaky"))
    assert ask(model, user("flaky"))["content"][0]["text"] == "up"


def test_the_log_says_whether_the_prompt_arrived_whole(model: ScriptedModel) -> None:
    ask(model, user("from here make=one to there"))
    ask(model, user("from here make=one"))
    assert [each.whole for each in model.exchanges] == [True, False]


def test_a_request_for_another_host_is_refused_and_seen(model: ScriptedModel) -> None:
    handler = urllib.request.ProxyHandler({"http": model.url})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.build_opener(handler).open("http://elsewhere.invalid/", timeout=10)
    raised.value.close()
    assert model.strays == ["GET http://elsewhere.invalid/"]
