"""What is done before an agent is paid: a workspace is prepared, and the verify commands run."""

from loop_kit.core.loop.messages import (
    BaseVerified,
    HeadVerified,
    PreparationFailed,
    Prepare,
    Verify,
)
from loop_kit.core.loop.state import LoopState
from loop_kit.engine.options import Options
from loop_kit.ports import Clock, Reporter, SetupFailed, Verifier, Workspaces

_SHOWN_LINES = 20


class Groundwork:
    """Performs what costs nothing, and returns the event."""

    def __init__(
        self,
        workspaces: Workspaces,
        verifier: Verifier,
        clock: Clock,
        reporter: Reporter,
        options: Options,
    ) -> None:
        self._workspaces = workspaces
        self._verifier = verifier
        self._clock = clock
        self._reporter = reporter
        self._options = options
        self.is_prepared = False

    def prepare(self, effect: Prepare) -> None:
        """Make sure that workspaces can be prepared on this machine.

        Raises:
            SetupFailed: they cannot be.
        """
        self._workspaces.prepare(effect.sha)
        self.is_prepared = True

    def failure(self, error: SetupFailed) -> PreparationFailed:
        """The event of a workspace that could not be prepared, after showing what it printed."""
        for line in error.result.tail.splitlines()[-_SHOWN_LINES:] if error.result else ():
            self._reporter.note(f"  {line}")
        return PreparationFailed(str(error), self._clock.now(), error.result)

    def verify(self, state: LoopState, effect: Verify) -> BaseVerified | HeadVerified:
        """Run the verify commands at the base commit, or at a head that was not verified yet."""
        where = "the base commit" if effect.at_base else effect.sha[:10]
        self._reporter.note(f"Running the verify commands at {where}.")
        timeout = self._options.verify_timeout
        verification = self._verifier.verify(effect.sha, state.verify, timeout)
        for result in verification.results:
            if result.exit_code:
                self._reporter.note(f"It fails: {result.command} (exit code {result.exit_code})")
        if effect.at_base:
            return BaseVerified(verification, self._clock.now())
        return HeadVerified(verification)
