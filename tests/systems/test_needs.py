"""Which tests run on which system is one table, and the docs and `loop doctor` say what it says."""

from pathlib import Path

import pytest
from tests import conftest, needs

from loop_kit.core.agent.systems import DIFFERENCES

WORKFLOW = Path(__file__).parents[2] / ".github/workflows/ci.yml"


def test_doctor_names_what_the_tests_of_a_system_leave_out() -> None:
    set_apart = [each for each in needs.UNMET["win32"] if each not in needs.UNMET["darwin"]]
    tested = dict(DIFFERENCES["Windows"])["tested"]
    assert tested == f"the fast tests without {', '.join(set_apart)}"
    assert "tested" not in dict(DIFFERENCES["macOS"])
    assert all("none" in dict(each)["sandbox"] for each in DIFFERENCES.values())


def test_every_test_runs_on_linux_and_all_but_those_of_rooms_on_macos() -> None:
    assert list(needs.left_out("linux")) == []
    assert list(needs.left_out("darwin")) == list(needs.NEEDS["rooms"])


def test_a_place_is_listed_once() -> None:
    places = [place for each in needs.NEEDS.values() for place in each]
    assert len(places) == len(set(places))
    below = [
        one for one in places for other in places if one.startswith((f"{other}/", f"{other}::"))
    ]
    assert below == []


def test_ci_chooses_by_the_tier_and_this_table_alone() -> None:
    lines = [line for line in WORKFLOW.read_text("utf-8").splitlines() if "pytest" in line]
    assert len(lines) == 1
    assert "--tier=fast" in lines[0]
    assert " tests" not in lines[0]


def test_what_windows_lacks_is_left_out_there(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    place = conftest.TESTS / "adapters/loop_dir/test_event_command.py"
    monkeypatch.setattr(conftest.sys, "platform", "linux")
    tier = pytestconfig.getoption("--tier")
    assert conftest.pytest_ignore_collect(place, pytestconfig) is (tier == "slow" or None)
    monkeypatch.setattr(conftest.sys, "platform", "win32")
    assert conftest.pytest_ignore_collect(place, pytestconfig) is True
