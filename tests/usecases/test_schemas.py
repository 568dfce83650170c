"""The published JSON Schemas: what the program makes now, true of what it writes and takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from loop_kit import defaults
from loop_kit.core.card.task import parse_card
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import BadSetting
from loop_kit.settings import config_values
from loop_kit.usecases.schemas import PLACE, Kind, parse_kind, schema_text

ROOT = Path(__file__).resolve().parents[2]
LOOPS = sorted((ROOT / "tests/cli/in_place_loop").glob("*"))


def _refusals(kind: Kind, document: object) -> list[str]:
    validator = Draft202012Validator(json.loads(schema_text(kind)))
    return [error.message for error in validator.iter_errors(document)]


def _read(path: Path) -> Any:
    """The document at `path`, with a commit in the place of each name for one."""
    return json.loads(re.sub(r"<[^<>\s]+>", "0" * 40, path.read_text("utf-8")))


@pytest.mark.parametrize("kind", Kind)
def test_the_published_schema_is_that_of_the_program(kind: Kind) -> None:
    published = (ROOT / "docs/schemas" / f"{kind}.json").read_text("utf-8")

    assert published == schema_text(kind) + "\n", "make schemas"
    assert json.loads(published)["$id"] == PLACE.format(kind)
    Draft202012Validator.check_schema(json.loads(published))


@pytest.mark.parametrize("folder", LOOPS, ids=lambda path: path.name)
def test_what_loops_wrote_fits_the_schemas(folder: Path) -> None:
    for name, kind in (
        ("state", Kind.STATE),
        ("task_card", Kind.CARD),
        ("work_report", Kind.WORK_REPORT),
        ("review_report", Kind.REVIEW_REPORT),
    ):
        if (path := folder / f"{name}.json").exists():
            assert _refusals(kind, _read(path)) == []


def test_a_new_state_fits_its_schema() -> None:
    assert _refusals(Kind.STATE, LoopState().model_dump(mode="json")) == []


def test_a_card_may_name_its_schema() -> None:
    card = json.loads(defaults.text("examples/task_card.json"))
    card = {**card, "$schema": PLACE.format(Kind.CARD), "task_id": "T-1", "goal": "It works."}

    assert _refusals(Kind.CARD, card) == []
    assert parse_card(json.dumps(card).encode(), "card.json").task_id == "T-1"


@pytest.mark.parametrize(
    "text",
    [
        "max_rounds: 5\n",
        "max-rounds: 5\nverify: [make test]\n",
        "verify: |\n  make lint\n  make test\n",
        "agent-env: NPM_*, CI_*\n",
        "rules: {stalled: {rounds: 3}, bar: {pre_existing: [high, criterion]}}\n",
    ],
)
def test_a_configuration_that_is_taken_fits_its_schema(text: str) -> None:
    document = yaml.safe_load(text)

    assert config_values(document, "config")
    assert _refusals(Kind.CONFIG, document) == []


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Kind.CONFIG, {"max_round": 5}),
        (Kind.CONFIG, {"github_token": "secret"}),
        (Kind.CONFIG, {"scope": "lenient"}),
        (Kind.CARD, {"task_id": "../up", "goal": "x"}),
        (Kind.CARD, {"goal": "x", "acceptance": ["y"]}),
        (Kind.WORK_REPORT, {"task_id": "T-1"}),
        (Kind.REVIEW_REPORT, {"task_id": "T-1", "round": 1, "decision": "maybe"}),
        (Kind.STATE, {"state": "asleep"}),
    ],
)
def test_what_would_be_refused_does_not_fit(kind: Kind, document: object) -> None:
    assert _refusals(kind, document)


def test_the_command_prints_a_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loop_kit", "schema", "state"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == schema_text(Kind.STATE) + "\n"


def test_an_unknown_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadSetting, match="state"):
        parse_kind("stat")
