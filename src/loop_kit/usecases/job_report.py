"""The report of a loop in the artifact of a job, beside the record of its attempts.

The record there is that of this job's round; what there is to know of the others is in the state.
A page that cannot be written stops nothing: it is for people, and can be made again anywhere.
"""

from collections.abc import Callable
from pathlib import Path

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.usecases.report_files import ReportFiles
from loop_kit.usecases.report_page import ReportPage, Sources
from loop_kit.usecases.report_render import render

NAME = "report.html"
_DETAILED = 3
"""The rounds of which a job reads change and review: a job of a long loop takes no longer."""


def write_job_report(
    record: Path,
    state: LoopState,
    read: Callable[[str], bytes | None],
    repository: GitRepository,
    page: str,
    redact: Redactor,
) -> None:
    """Write the report into the folder `record`; `read` gives the bus files of the loop.

    Raises:
        OSError: it cannot be written.
    """
    sources = Sources(
        state,
        ReportFiles(state, read, record),
        repository,
        card=read(bus.TASK_CARD) or b"",
        page=page,
        detailed=_DETAILED,
    )
    html = render(ReportPage(sources).document(), "html")
    (record / NAME).write_bytes(redact.clean(html.encode(errors="replace")))
