"""Repeats a request after a transient failure, a few times and for a bounded time.

The caller decides which failures are transient, and that its request can be repeated. Pauses double
and are jittered, so that jobs do not retry in step; a pause that the server asks for is respected.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

TRIES = 5
MAX_SECONDS = 600.0
"""The time for all tries, unless the caller has less: a lease outlives its round as long."""


@dataclass(slots=True)
class Deadline:
    """When a job is over, on the monotonic clock: no retry of its requests begins after that."""

    at: float = math.inf

    def set(self, seconds: float) -> None:
        """Let it be in so many seconds."""
        self.at = time.monotonic() + seconds

    def time_for_retries(self) -> float:
        """The seconds that are left for all tries of a request."""
        return max(0.0, min(MAX_SECONDS, self.at - time.monotonic()))


def retry(
    request: Callable[[], T],
    sleep: Callable[[float], None],
    *,
    if_result: Callable[[T], bool] = lambda _: False,
    if_error: Callable[[BaseException], bool] = lambda _: False,
    pace: float = 1.0,
    within: float = MAX_SECONDS,
) -> T:
    """The result of `request`, or the error of its last try.

    Args:
        request: Makes one try.
        sleep: Waits so many seconds.
        if_result: Whether a result is a transient failure.
        if_error: Whether an error is one; its `retry_after`, in seconds, is the pause if it has it.
        pace: The unit of all other pauses, in seconds.
        within: No further try begins so many seconds after the first one began.
    """
    from tenacity import (
        Retrying,
        retry_if_exception,
        retry_if_result,
        stop_after_attempt,
        stop_before_delay,
        wait_exponential_jitter,
    )

    backoff = wait_exponential_jitter()

    def pause(tried: "RetryCallState") -> float:
        error = tried.outcome.exception() if tried.outcome else None
        wait: float | None = getattr(error, "retry_after", None)
        return pace * backoff(tried) if wait is None else wait

    def last(tried: "RetryCallState") -> T:
        assert tried.outcome is not None  # noqa: S101
        outcome: T = tried.outcome.result()
        return outcome

    retrying = Retrying(
        sleep=sleep,
        stop=stop_after_attempt(TRIES) | stop_before_delay(within),
        wait=pause,
        retry=retry_if_result(if_result) | retry_if_exception(if_error),
        retry_error_callback=last,
    )
    return retrying(request)
