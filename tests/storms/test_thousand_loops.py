"""A sweep over a thousand loops asks the git server a bounded number of times."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import REPOSITORY, Hub, hosting
from tests.e2e.test_sweep_in_ci import sweep_commands
from tests.support.git_repository import BareRepository

LOOPS = 1000


def crowd(bare: BareRepository, loops: int) -> None:
    """Add loops whose rounds are used up, and that nobody has continued for a week."""
    main = bare.head("main") or ""
    stream = []
    for number in range(loops):
        task_id = f"X-{number:04}"
        state = {
            "schema_version": 2,
            "seq": 9,
            "task_id": task_id,
            "round": 1,
            "state": "done",
            "outcome": "max_rounds_exhausted",
            "resume_phase": "awaiting_work",
            "base_sha": main,
            "start_sha": main,
            "publishes": True,
        }
        content = json.dumps(state)
        at = int(time.time()) - 7 * 24 * 3600
        stream += [
            f"commit refs/heads/loop/{task_id}/state\ncommitter S <s@example.com> {at} +0000\n",
            f"data 1\nx\nM 100644 inline state.json\ndata {len(content)}\n{content}\n\n",
        ]
    bare.git("fast-import", "--quiet", stdin="".join(stream).encode())


def asked(folder: Path, loops: int) -> tuple[int, int, int]:
    """How many listings, fetches and requests to the API one sweep makes.

    Each fetch begins with a listing of the branches that it names.
    """
    with hosting(folder) as make:
        hub: Hub = make()
        crowd(hub.bare, loops)
        job, commands = sweep_commands(hub)
        assert job.code == 0, job.log
        assert f"{loops} loops" in job.summary + job.log, job.summary + job.log
        assert len(hub.bare.branches()) == 1 + loops
        assert hub.git.repository(REPOSITORY).head("main")
        return commands.count("ls-refs"), commands.count("fetch"), len(hub.api.requests)


@pytest.mark.timeout(600)
def test_a_sweep_lists_once_fetches_once_and_asks_the_api_nothing(
    tmp_path: Path,
) -> None:
    assert asked(tmp_path / "few", 10) == (1 + 1, 1, 0)
    assert asked(tmp_path / "many", LOOPS) == (1 + 1, 1, 0)
