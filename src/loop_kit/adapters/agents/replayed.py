"""An agent that ran in another job: it delivers the report that this job was handed."""

from loop_kit.adapters.loop_dir.loop_folder import write_atomically
from loop_kit.core.loop.state import Spent
from loop_kit.ports import Ended, Job, Reporter


class ReplayedAgent:
    """Delivers one report; `spent` is what it cost in its own job.

    Where there is none (None), `interrupted` says that its job was stopped before it wrote one.
    """

    name = "replayed"
    is_program = False

    def __init__(self, report: str | None, spent: Spent, *, interrupted: bool = False) -> None:
        self._report = report
        self._spent = spent
        self._interrupted = interrupted

    def check(self) -> str:
        """A report needs no program."""
        return ""

    def run(self, job: Job, reporter: Reporter) -> Ended:
        """Write the report where the agent would have.

        Raises:
            KeyboardInterrupt: as it was raised in the agent's own job.
        """
        del reporter
        if self._report is not None:
            write_atomically(job.report, self._report.encode(errors="replace"), durable=False)
        elif self._interrupted:
            raise KeyboardInterrupt
        return Ended(spent=self._spent)
