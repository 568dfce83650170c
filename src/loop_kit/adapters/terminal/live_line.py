"""The line of a terminal that shows what an agent does now; it fits, whatever the width.

What matters most is leftmost, and the last action gets what is left. It loads rich, so it is
imported where a line is shown.
"""

from typing import TextIO

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task
from rich.table import Column
from rich.text import Text


class LiveLine:
    """One line, from `start` until `stop`, that moves on by itself."""

    def __init__(self, out: TextIO, about: str, used: str, *, spinner: str) -> None:
        self._console = Console(file=out)
        self._progress = Progress(
            SpinnerColumn(spinner, table_column=Column(no_wrap=True)),
            _Words(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(about, total=None, used=used, doing="")
        self._progress.start()

    def show(self, doing: str) -> None:
        """Show what the agent does now."""
        self._progress.update(self._task, doing=doing)

    def print(self, line: str) -> None:
        """Print a line above this one; its colours are kept."""
        self._console.print(Text.from_ansi(line), soft_wrap=True)

    def stop(self) -> None:
        """Take the line away."""
        self._progress.stop()


class _Words(ProgressColumn):
    """About what, for how long, at what cost, and doing what; cut at the end of the line."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(overflow="ellipsis", ratio=1))

    def render(self, task: Task) -> Text:
        seconds = int(task.elapsed or 0)
        time = f"{seconds // 60}:{seconds % 60:02}"
        about = ", ".join(word for word in (task.description, time, task.fields["used"]) if word)
        doing = task.fields["doing"]
        text = f"{about}: {doing}" if doing else about
        return Text(text, no_wrap=True, overflow="ellipsis")
