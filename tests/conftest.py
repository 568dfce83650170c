"""The two tiers of the tests: `make test` runs the fast one, `make test-all` both.

Slow is what costs most by measure: whole jobs against servers, damage of every kind to every file,
programs that Python itself has to start, and git and processes by the hundred. Everything else is
fast: under two minutes on two cores, together.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SLOW = (
    "adapters/git",
    "adapters/process",
    "cli/test_bad_bus_files.py",
    "cli/test_bad_inputs.py",
    "cli/test_bad_reports.py",
    "cli/test_bad_state.py",
    "cli/test_fetch.py",
    "cli/test_migration_page.py",
    "cli/test_own_code.py",
    "cli/test_pages.py",
    "cli/test_publish.py",
    "cli/test_started_by_python.py",
    "core/card/test_issue_time.py",
    "e2e",
    "real",
    "seed",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=("fast", "slow", "all"), default="all")


def pytest_configure(config: pytest.Config) -> None:
    del config
    gone = [each for each in SLOW if not (TESTS / each).exists()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py: SLOW names what is not there: {gone}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of the other tier."""
    tier = config.getoption("--tier")
    if tier == "all" or not collection_path.is_file():
        return None
    path = collection_path.relative_to(TESTS).as_posix()
    slow = any(path == each or path.startswith(f"{each}/") for each in SLOW)
    return True if slow != (tier == "slow") else None
