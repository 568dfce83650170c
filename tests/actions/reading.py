"""Payloads of real events, and what the action makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loop_kit.actions.events import read_request
from loop_kit.adapters.runner.job import read_job
from loop_kit.core.ci.requests import NotForUs, Request
from loop_kit.errors import LoopError
from loop_kit.settings import Settings

PAYLOADS = Path(__file__).parent / "payloads"
REPOSITORY = "Codertocat/Hello-World"
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
PUSHED = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
ZEROS = "0" * 40
SCHEDULE = {"schedule": "17 * * * *", "repository": {"default_branch": "master"}}


def payload(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
    return document


def request(event: str, document: object, settings: Settings | None = None, **env: str) -> Request:
    """What the event asks, read as the runner hands it over."""
    fields = document if isinstance(document, Mapping) else {}
    job = read_job(
        {
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_ACTOR": "Codertocat",
            "GITHUB_REF": "refs/heads/master",
            **env,
        },
        fields,
    )
    return read_request(job, fields, settings or Settings(trigger_label="bug"))


def refusal(
    event: str, document: object, settings: Settings | None = None, **env: str
) -> LoopError:
    with pytest.raises(LoopError) as caught:
        request(event, document, settings, **env)
    return caught.value


def assert_not_for_us(found: Request, word: str) -> None:
    assert isinstance(found, NotForUs)
    assert word in found.why
    assert "\n" not in found.why
    assert found.why.endswith(".")
