"""Which session an agent resumes ("warm resume"), and when it is dropped.

A session knows the repository already, so the next round in it is cheaper. It is dropped
when it is too old, when the code under it was changed by somebody else, when its backend does not
know it any more, and after failures that it may be the cause of: the next attempt starts a new one.
A further pass over a change has a conversation of its own, which nobody resumes.
"""

from loop_kit.core.loop.failures import DROPS_SESSION, RETRIED
from loop_kit.core.loop.messages import (
    AttemptFailed,
)
from loop_kit.core.loop.state import LoopState, Role, Session
from loop_kit.patterns import late_pattern

Sessions = dict[str, Session]

_NAME = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


def session_name(value: object) -> str:
    """A session's id that can be an argument of a command, or ''."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""


def due_session(state: LoopState, role: Role) -> tuple[Session | None, bool]:
    """The session to resume, and whether there was one that is too old for that."""
    if state.further is not None:
        return None, False
    held, most = state.sessions.get(role.value), state.limits.session_rounds
    if held is None or most is None or not session_name(held.session_id):
        return None, False
    rotated = most > 0 and state.round - held.started_round >= most
    return (None if rotated else held), rotated


def keep_session(state: LoopState, role: Role, session: Session | None) -> Sessions:
    """The sessions with the one that this attempt left, if it reported one."""
    is_kept = session is not None and state.further is None
    return {**state.sessions, role.value: session} if session and is_kept else state.sessions


def drop_session(state: LoopState, role: Role) -> Sessions:
    """The sessions without this role's."""
    return {name: held for name, held in state.sessions.items() if name != role.value}


def update_after_failure(state: LoopState, event: AttemptFailed, retries: int) -> Sessions:
    """The sessions after a failure; one that failed in a retry already is dropped."""
    if state.further is not None:
        return state.sessions
    if event.failure in DROPS_SESSION or (event.failure in RETRIED and retries):
        return drop_session(state, event.role)
    return keep_session(state, event.role, event.session)
