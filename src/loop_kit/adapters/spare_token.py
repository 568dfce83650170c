"""The job's own token, for when the token of a GitHub App expires during the job.

An App's token lives for 60 minutes, and a round may take longer. What was paid for is then saved
and posted with the job's own token, which lives as long as the job; GitHub starts no checks for it.
"""

from collections.abc import Callable

CHECKS_NOT_STARTED = (
    "`github-token` expired during the job, as an App's does after 60 minutes: what was left has"
    " been saved and posted with the job's own token, so GitHub starts no checks for it. Approve"
    " the waiting runs, or close and reopen the pull request."
)


class SpareToken:
    """A second token, which both servers get once one of them has refused the first."""

    def __init__(self, token: str = "", announce: Callable[[str], object] = len) -> None:
        """`announce` is called when the token is taken."""
        self.token = token
        self.is_used = False
        self._announce = announce

    def take(self) -> bool:
        """Use it from now on; False where there is none, or it is used already."""
        if not self.token or self.is_used:
            return False
        self.is_used = True
        self._announce(CHECKS_NOT_STARTED)
        return True
