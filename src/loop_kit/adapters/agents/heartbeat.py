"""An agent with a heartbeat: while it runs, it updates the file that `loop health` reads."""

import contextlib
import threading
from pathlib import Path

from loop_kit.adapters.loop_dir.heartbeat import beat
from loop_kit.ports import Agent, AgentExit, Assignment, Reporter


class BeatingAgent:
    """Beats for `agent` every half `ttl` (seconds), at least once a second apart."""

    def __init__(self, agent: Agent, folder: Path, ttl: float) -> None:
        self._agent = agent
        self._folder = folder
        self._interval = max(1.0, ttl / 2)

    @property
    def name(self) -> str:
        """The name of the wrapped agent."""
        return self._agent.name

    @property
    def is_program(self) -> bool:
        """As the wrapped agent."""
        return self._agent.is_program

    def check(self) -> str:
        """As the wrapped agent."""
        return self._agent.check()

    def run(self, assignment: Assignment, reporter: Reporter) -> AgentExit:
        """Run the agent, and beat until it has ended."""
        over = threading.Event()
        heart = threading.Thread(target=self._beat, args=(assignment, over), daemon=True)
        heart.start()
        try:
            return self._agent.run(assignment, reporter)
        finally:
            over.set()
            heart.join()

    def _beat(self, assignment: Assignment, over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):  # nobody's work depends on it
                beat(self._folder, assignment.role.job.value, assignment.task_id, assignment.round)
            over.wait(self._interval)
