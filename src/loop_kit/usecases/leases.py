"""Whether a lease is alive: whether a run still works on the loop that it leased.

The forge knows whether a run has ended. Where it cannot be asked, or does not know, the lease
counts until it expires.
"""

from typing import TYPE_CHECKING

from loop_kit.core.loop.run_ends import RunStatus
from loop_kit.core.loop.state import Lease
from loop_kit.errors import ForgeUnavailable
from loop_kit.ports.forge import Forge

if TYPE_CHECKING:
    from loop_kit.usecases.job_context import Invocation


def is_live(
    lease: Lease | None, forge: Forge | None, now: str, run: "Invocation | None" = None
) -> bool:
    """Whether another run than `run` holds the lease; an earlier attempt of `run` has ended."""
    if lease is None:
        return False
    if run is not None and lease.run_id == run.run_id and lease.run_attempt < run.attempt:
        return False
    try:
        status = forge.run_status(lease) if forge is not None else None
    except ForgeUnavailable:
        status = None
    return is_held(lease, status, now)


def is_held(lease: Lease, status: RunStatus | None, now: str) -> bool:
    """Whether the run of a lease still works on the loop; None where the forge does not know it."""
    return now <= lease.expires_at if status is None else not status.ended
