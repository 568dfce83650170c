"""What rounds cost GitHub, counted on real jobs against the stand-ins (`test_counts_in_ci.py`).

The simulation has no numbers of the engine but these, so that docs/scale.md changes with it.
"""

from __future__ import annotations

from typing import NamedTuple


class Job(NamedTuple):
    """One job: its requests, those of them that write, and its pushes."""

    requests: int
    writes: int
    pushes: int


class Counts(NamedTuple):
    """Jobs of a loop that an issue began; the branches that it leaves; bytes of its state."""

    first: Job
    steady: Job
    approving: Job
    refs: int
    state_bytes: int
    """Of a loop of two rounds, in a pack."""
    round_bytes: int
    """What one more round adds to that."""


COUNTED = Counts(
    first=Job(requests=10, writes=7, pushes=4),
    steady=Job(requests=9, writes=5, pushes=4),
    approving=Job(requests=14, writes=7, pushes=4),
    refs=2,
    state_bytes=18000,
    round_bytes=6000,
)
