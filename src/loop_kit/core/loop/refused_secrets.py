"""What becomes of work in which a secret was found before it was pushed.

It goes back to the worker once, with the places and never with a value, as what the git server
refuses does. The second time a person decides: the same stop as after a refused push, except that
nothing is kept and nothing was sent anywhere.
"""

from collections.abc import Iterable

from loop_kit.core.card.scope import Violation
from loop_kit.core.loop.messages import (
    AttemptFailed,
    Failure,
)
from loop_kit.core.loop.push_refusal import PushRefusal, RefusalKind
from loop_kit.core.loop.state import LoopState

_MAX_SHOWN = 20
_SENTENCE = "The worker's commits hold a secret, so they were not pushed"
_ADVICE = (
    "Nothing that is pushed may hold a secret, encoded or in pieces either. Let the program read it"
    " from its environment when it runs, and let a test build data that only resembles a key from"
    " parts. Make the commits again without it: a later commit that removes it is not enough."
)
_REMEDY = "Say in the card how to do without it. If it is no secret, commit "
_IN_CI = f"{_REMEDY}it to the branch yourself: only what the worker commits is searched."
_HERE = f"{_REMEDY}it yourself and run the loop from the start: what was there is no find."


def explain_secrets(violations: Iterable[Violation]) -> str:
    """What was found and where; a scan names no value."""
    listed = [f"{v.path} {v.why}" for v in violations if v.kind == "secret"]
    more = [f"and {len(listed) - _MAX_SHOWN} more"] if len(listed) > _MAX_SHOWN else []
    return "\n".join([f"{_SENTENCE}:", *listed[:_MAX_SHOWN], *more])


def feedback(event: AttemptFailed) -> str:
    """What the worker is sent of a failure; of a secret also what to do instead."""
    is_secret = event.failure is Failure.SECRET
    return f"{event.message}\n\n{_ADVICE}" if is_secret else event.message


def refusal(state: LoopState, message: str) -> PushRefusal:
    """What the state records when the worker was asked once and a secret is there again."""
    return PushRefusal(
        kind=RefusalKind.SECRET,
        branch=state.work_branch,
        sentence=f"{_SENTENCE}.",
        remedy=_IN_CI if state.publishes else _HERE,
        words=message.partition(f" {_REMEDY}")[0],
        round=state.round,
        returned=True,
        found_here=True,
    )


def explain_stop(refused: PushRefusal) -> str:
    """The refusal in one line: the first place, how many more, and what a person can do."""
    first, *places = refused.words.splitlines()
    shown = f" {places[0]}" if places else ""
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    return f"{first}{shown}{more}. {refused.remedy}"
