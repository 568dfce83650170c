"""Every parameter that the page lists is one that the simulation uses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.simulation import traits

KINDS = (traits.Task, traits.WorkerTraits, traits.ReviewerTraits, traits.Infrastructure)
USED = "".join(
    Path(__file__).with_name(name).read_text("utf-8")
    for name in ("agents.py", "world.py", "runner.py")
)


@pytest.mark.parametrize(
    "name", [field.name for kind in KINDS for field in dataclasses.fields(kind)]
)
def test_every_parameter_is_used(name: str) -> None:
    assert f".{name}" in USED
