"""The tiers of the tests: `make test` runs the fast one, `make test-all` also the slow one.

Slow is what costs most by measure: whole jobs against servers, damage of every kind to every file,
programs that Python itself has to start, and git and processes by the hundred. Everything else is
fast: under two minutes on two cores, together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.needs import NEEDS, left_out

TESTS = Path(__file__).parent
SLOW = (
    "actions/test_start_certificates.py",
    "actions/test_start_steered.py",
    "adapters/agents/test_opencode.py",
    "adapters/git",
    "adapters/github/test_passing_faults.py",
    "adapters/process",
    "adapters/workspaces",
    "cli/test_advice.py",
    "cli/test_any_repository.py",
    "cli/test_bad_bus_files.py",
    "cli/test_bad_inputs.py",
    "cli/test_bad_reports.py",
    "cli/test_bad_state.py",
    "cli/test_base_moves.py",
    "cli/test_begun_in_place.py",
    "cli/test_confined_agents.py",
    "cli/test_cost_of_rounds.py",
    "cli/test_dispatch.py",
    "cli/test_fetch.py",
    "cli/test_full_disks.py",
    "cli/test_git_rules.py",
    "cli/test_leaks.py",
    "cli/test_migration.py",
    "cli/test_migration_page.py",
    "cli/test_mistakes.py",
    "cli/test_output.py",
    "cli/test_own_code.py",
    "cli/test_pages.py",
    "cli/test_people.py",
    "cli/test_plan.py",
    "cli/test_prepared_workspaces.py",
    "cli/test_publish.py",
    "cli/test_reports.py",
    "cli/test_resume.py",
    "cli/test_review_rules.py",
    "cli/test_run_options.py",
    "cli/test_second_reviewer.py",
    "cli/test_special_files.py",
    "cli/test_stalled_backend.py",
    "cli/test_started_by_python.py",
    "cli/test_sweep.py",
    "cli/test_tampered.py",
    "cli/test_users_tree.py",
    "contracts/test_git_server.py",
    "core/card/test_issue_time.py",
    "core/secrets/test_false_positives.py",
    "e2e",
    "engine/test_base_moves_crashes.py",
    "engine/test_crashes.py",
    "engine/test_passes_crashes.py",
    "engine/test_races.py",
    "engine/test_second_review_crashes.py",
    "hostile",
    "real",
    "seed",
    "simulation",
    "storms",
    "systems/test_other_systems.py",
    "test_patterns.py",
    "usecases/test_large_reports.py",
)
STORMS = (
    "e2e/test_cancelled_jobs.py",
    "e2e/test_crashes_in_ci.py",
    "e2e/test_passing_faults_in_ci.py",
    "e2e/test_races_in_ci.py",
    "engine/test_crashes.py",
    "engine/test_passes_crashes.py",
    "engine/test_races.py",
    "engine/test_second_review_crashes.py",
    "storms",
)
"""What breaks a loop on purpose; `make storm` runs all of it, and every crash point there is."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=("fast", "slow", "all", "storm"), default="all")
    parser.addoption("--storm", choices=("sample", "full"), default="sample")
    parser.addoption("--storm-seed", type=int, default=1, help="what a sample is drawn by")


def pytest_configure(config: pytest.Config) -> None:
    del config
    places = (*SLOW, *STORMS, *(place for each in NEEDS.values() for place in each))
    gone = [each for each in places if not (TESTS / each.partition("::")[0]).exists()]
    if gone:
        raise pytest.UsageError(f"A tier or tests/needs.py names what is not there: {gone}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of the other tier, and those that need what this system lacks."""
    tier = config.getoption("--tier")
    if not collection_path.is_file():
        return None
    path = collection_path.relative_to(TESTS).as_posix()
    if _is_below(path, left_out(sys.platform)):
        return True
    if tier == "all":
        return None
    found = _is_below(path, STORMS if tier == "storm" else SLOW)
    return True if found != (tier in {"slow", "storm"}) else None


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in places)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the single tests that need what this system lacks."""
    places = tuple(f"tests/{each}" for each in left_out(sys.platform) if "::" in each)
    lacking = [item for item in items if item.nodeid.startswith(places)] if places else []
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]


@pytest.fixture
def storm_seed(request: pytest.FixtureRequest) -> int:
    """The seed of whatever a test draws by chance; a test that fails shows it."""
    seed: int = request.config.getoption("--storm-seed")
    print(f"Drawn by --storm-seed={seed}")
    return seed
