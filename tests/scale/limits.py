"""What GitHub allows, as it has published it; each with where that is said."""

from __future__ import annotations

from typing import NamedTuple

RATES = "https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"
ACTIONS = "https://docs.github.com/en/actions/reference/limits"

HOUR = 3600.0
MINUTE = 60.0


class Window(NamedTuple):
    """So many units in so many seconds."""

    units: int
    seconds: float


class Token(NamedTuple):
    """A kind of token, and whether all repositories share what it may ask for."""

    name: str
    shared: bool
    per_hour: int
    writes: tuple[Window, ...] = (Window(80, MINUTE), Window(500, HOUR))
    """GitHub's limit of requests that create content."""


JOB_TOKEN = Token("the job's own token", shared=False, per_hour=1_000)
JOB_TOKEN_CLOUD = Token("the job's own token, Enterprise Cloud", shared=False, per_hour=15_000)
APP = Token("one App of the organisation", shared=True, per_hour=12_500)
PERSON = Token("one person's token", shared=True, per_hour=5_000)
TOKENS = (JOB_TOKEN, JOB_TOKEN_CLOUD, APP, PERSON)

PLANS = {"Free": 20, "Pro": 40, "Team": 60, "Enterprise": 500, "your own": 1_000}
"""How many jobs of GitHub's runners may run at once; your own: as many as there are."""

QUEUED_RUNS = Window(500, 10.0)
"""Runs of one repository that may be queued."""
ADVISED_BRANCHES = 5_000
ADVISED_PUSHES = Window(6, MINUTE)
"""Of one repository."""
