"""The report of a local loop: one page that needs nothing but a browser, or Markdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    loop_folder,
    read_plain,
    repository_root,
    write_atomically,
)
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState, StateCorrupt, StateTooNew, parse_state
from loop_kit.core.text.sanitize import one_line
from loop_kit.defaults import text
from loop_kit.errors import LoopError
from loop_kit.usecases.report_data import Document, ReportData

_MAX_STATE = 64 * 1024 * 1024

Format = Literal["html", "md"]


def write_report(
    cwd: Path,
    environ: Mapping[str, str],
    loop_dir: str,
    task_id: str,
    form: Format,
    output: str,
) -> Path:
    """Write the report of the loop, and return where it is.

    Raises:
        LoopError: there is no loop, it is another task's, or its state cannot be read.
    """
    root = repository_root(cwd)
    folder = loop_folder(root, loop_dir)
    state = _load(folder, task_id)
    repository = GitRepository(Git(root, environ))
    document = ReportData(folder, state, repository).document()
    page = render(document, form)
    path = cwd / output if output else folder / "runtime" / f"report-{state.task_id}.{form}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode(errors="replace"), durable=False)
    return path


def render(document: Document, form: Format) -> str:
    """The report as text; whatever others wrote is escaped in HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from loop_kit.core.text.harmless import cell, inline

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    harmless = {"inline": inline, "cell": cell}
    for name, make in harmless.items():
        environment.filters[name] = lambda value, limit, make=make: Markup(make(value, limit))  # noqa: S704
    return environment.from_string(text(f"report/report.{form}.j2")).render(document)


def _load(folder: Path, task_id: str) -> LoopState:
    try:
        raw = read_plain(folder / bus.STATE, _MAX_STATE)
        state = parse_state(raw) if raw else None
    except (BusFileUnreadable, StateCorrupt, StateTooNew) as error:
        raise LoopError(
            f"{folder / bus.STATE} cannot be read: {error}.",
            "`loop status` says what to do.",
            anchor="state-unusable",
        ) from None
    if state is None or not state.task_id:
        raise LoopError(
            f"There is no loop in {folder}.",
            "Start one with `loop run --auto-dispatch`, or get one of CI with `loop fetch TASK`.",
            anchor="loop-not-found",
        )
    if task_id and task_id != state.task_id:
        raise LoopError(
            f"The loop in {folder} is {state.task_id}, not {one_line(task_id, 80)}.",
            f"Leave the task out, or get the other one: loop fetch {one_line(task_id, 80)}",
            anchor="state-of-another-task",
        )
    return state
