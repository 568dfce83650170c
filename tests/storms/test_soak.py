"""A loop of 300 rounds costs as much in its last rounds as in its first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import MakeRepo
from tests.cli.harness import Repo
from tests.storms import meter
from tests.support.fork_server import PRELUDE
from tests.support.programs import LOOP

ROUNDS = 300
FULL = 60
"""The round from which a review request lists as many commits as it ever does."""
AGENT = Path(__file__).with_name("soak_agent.sh")

pytestmark = pytest.mark.timeout(1500)


@dataclass(frozen=True)
class Soaked:
    """The repository after all rounds, and what was measured when each round began."""

    repo: Repo
    programs: list[int]
    pages: list[int]

    def archived(self, round_: int) -> int:
        """The bytes that one round left in the archive and the handovers."""
        found = [*self.repo.folder.glob(f"archive/T-001/r{round_}_*")]
        found += self.repo.folder.glob(f"handoff/T-001/*_r{round_}.json")
        assert len(found) > 4
        return sum(path.stat().st_size for path in found)


@pytest.fixture
def soaked(make_repo: MakeRepo, tmp_path: Path) -> Soaked:
    repo = make_repo(tmp_path)
    agent = tmp_path / "agent"
    agent.write_text(AGENT.read_text().replace("LAST", str(ROUNDS)))
    agent.chmod(0o755)
    log = tmp_path / "meter"
    backends = ("--worker-backend", "command", "--reviewer-backend", "command")
    commands = ("--worker-command", str(agent), "--reviewer-command", str(agent))
    limits = ("--max-rounds", str(ROUNDS))
    env = {PRELUDE: meter.__file__, meter.METER: str(log)}
    done = repo.execute(
        [LOOP, "run", "--auto-dispatch", *backends, *commands, *limits],
        env=env,
        patience=1500,
    )
    assert done.code == 0, done.text[-4000:]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == ROUNDS
    return Soaked(repo, [line["programs"] for line in lines], [line["pages"] for line in lines])


def test_no_round_of_many_costs_or_leaves_more_than_an_early_one(soaked: Soaked) -> None:
    assert_flat(soaked)

    repo, folder = soaked.repo, soaked.repo.folder
    refs = repo.git("for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/heads/loop/T-001/work", "refs/heads/main"]
    assert int(repo.git("rev-list", "--count", "HEAD")) == 2 + ROUNDS
    assert list((folder / "runtime" / "mailbox").iterdir()) == []
    assert [name for name in repo.tree() if name.endswith(".tmp")] == []


def assert_flat(soaked: Soaked) -> None:
    """No more programs, memory and archive in the later rounds than in the early ones.

    Each tenth round indexes the packs, and git writes again what was written a moment ago.
    """
    programs = [after - before for before, after in pairwise(soaked.programs)]
    early, later = programs[1:11], programs[11:]
    assert max(later) <= max(early) <= min(early) + 2
    assert soaked.pages[-1] < 1.15 * soaked.pages[FULL]
    archived = [soaked.archived(number) for number in range(FULL, ROUNDS, 10)]
    assert max(archived) < 1.05 * min(archived)
    state = (soaked.repo.folder / "state.json").stat().st_size
    assert state < 1.1 * ROUNDS * len(json.dumps(one_round(soaked.repo.state), indent=2))


def one_round(state: dict[str, Any]) -> dict[str, Any]:
    """What the state holds of its last round but one."""
    lists = ("findings", "round_details", "history")
    return {name: state[name][-2:-1] for name in lists}
