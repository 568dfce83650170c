"""The report of a loop: one page that needs nothing but a browser, or Markdown.

It is made from the loop's folder here, or from what the git server has: then nothing here changes,
and nothing is checked out.
"""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.fetched_loop import borrow_objects
from loop_kit.adapters.git.remote_loops import scratch_repository
from loop_kit.adapters.git.repository import GitRepository, locate
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    exclude_generated,
    loop_folder,
    path_in_repository,
    read_plain,
    repository_root,
    write_atomically,
)
from loop_kit.core.card.task import check_task_id
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop import bus, run_record
from loop_kit.core.loop.attempts import attempts_of_round
from loop_kit.core.loop.state import LoopState, StateCorrupt, StateTooNew, parse_state
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadSetting, LoopError
from loop_kit.frozen import frozen
from loop_kit.settings import for_laptop
from loop_kit.usecases.local_files import read_config
from loop_kit.usecases.next_steps import read_next_steps
from loop_kit.usecases.remote import remote_place
from loop_kit.usecases.remote_loop import read_remote_loop
from loop_kit.usecases.report_card import card_now, cards_in_tree, cards_on_forge
from loop_kit.usecases.report_files import ReportFiles, read_file
from loop_kit.usecases.report_page import ReportPage, Sources
from loop_kit.usecases.report_render import Format, render

if TYPE_CHECKING:
    from loop_kit.adapters.github.forge import GitHubForge

_MAX_STATE = 64 * 1024 * 1024
_REMOTE = "origin"
_MAX_FETCHED = 20
"""The rounds whose record is fetched: of more a page has no room."""


@frozen
class ReportRequest:
    """What the command line was asked; with `is_remote` the loop of the git server."""

    cwd: Path
    environ: Mapping[str, str]
    task_id: str = ""
    form: Format = "html"
    output: str = ""
    loop_dir: str = LOOP_DIR
    is_remote: bool = False


def write_report(request: ReportRequest) -> Path:
    """Write the report of the loop, and return where it is.

    Raises:
        LoopError: there is no loop, it is another task's, or its state cannot be read.
    """
    root = repository_root(request.cwd)
    folder = loop_folder(root, request.loop_dir)
    with ExitStack() as stack:
        if request.is_remote:
            sources = _remote_sources(request, folder, stack)
        else:
            sources = _local_sources(request, root, folder)
        page = render(ReportPage(sources).document(), request.form)
    name = f"report-{sources.state.task_id}.{request.form}"
    path = request.cwd / request.output if request.output else folder / "runtime" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode(errors="replace"), durable=False)
    return path


# --- the loop here ----------------------------------------------------------------------------


def _local_sources(request: ReportRequest, root: Path, folder: Path) -> Sources:
    state = _load(folder, request.task_id)
    git = Git(root, request.environ)
    page = ""
    if state.state_branch:
        with suppress(LoopError):
            page = _page(git, request.environ)
    card = read_file(folder / "runtime" / bus.TASK_CARD) or b""
    return Sources(
        state,
        ReportFiles(state, lambda name: read_file(folder / name), folder / "runs"),
        GitRepository(git),
        card=card,
        card_now=card_now(state, card, cards_in_tree(state, root, folder)),
        page=page,
        next_steps=read_next_steps(folder, state.seq),
    )


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
            "Start one with `loop run --auto-dispatch`, or read one of CI with"
            " `loop report TASK --remote`.",
            anchor="loop-not-found",
        )
    if task_id and task_id != state.task_id:
        raise LoopError(
            f"The loop in {folder} is {state.task_id}, not {one_line(task_id, 80)}.",
            "Leave the task out, or read the other one from CI:"
            f" loop report {one_line(task_id, 80)} --remote",
            anchor="state-of-another-task",
        )
    return state


# --- the loop on the git server -----------------------------------------------------------------


def _remote_sources(request: ReportRequest, folder: Path, stack: ExitStack) -> Sources:
    """The loop of the server; its commits are fetched into a repository that ends with `stack`."""
    git = Git(request.cwd, request.environ)
    place = locate(git)
    git = git.at(place.root)
    task_id = _remote_task_id(request, folder)
    prefix = for_laptop(request.environ).resolve(read_config(folder).layer).branch_prefix
    server = remote_place(git, request.environ, _REMOTE)
    inside = None if request.output else path_in_repository(folder, place.root)
    if inside is not None:
        exclude_generated(place.git_dir, inside, run=False)
    scratch = stack.enter_context(scratch_repository(git))
    borrow_objects(scratch, place.git_dir)
    loop = read_remote_loop(scratch, server.remote, _REMOTE, Branches(prefix, task_id))
    card = loop.files.get(bus.TASK_CARD, b"")
    cards = cards_in_tree(loop.state, place.root, folder)
    files = ReportFiles(loop.state, loop.files.get, folder / "runs")
    forge = server.forge()
    if forge is not None:
        stack.callback(forge.close)
        cards = chain(cards, cards_on_forge(loop.state, forge))
        fetched = Path(stack.enter_context(TemporaryDirectory(prefix="loop-kit-")))
        with suppress(LoopError):
            _fetch_record(loop.state, files, forge, fetched)
        files = ReportFiles(loop.state, loop.files.get, folder / "runs", fetched)
    return Sources(
        loop.state,
        files,
        GitRepository(scratch),
        card=card,
        card_now=card_now(loop.state, card, cards),
        page=_page(git, request.environ),
    )


def _fetch_record(state: LoopState, files: ReportFiles, forge: "GitHubForge", target: Path) -> None:
    """Fetch the record of the newest rounds that is not here, as far as the jobs kept it.

    A job of an older version that failed named its record after the last round that had ended.

    Raises:
        LoopError: the forge refuses, or does not answer.
    """
    run = run_record.run_folder(state)
    newest = range(max(state.round - _MAX_FETCHED, 0) + 1, state.round + 1)
    missing = [n for n in newest if not files.has_attempt(n, attempts_of_round(state, n))]
    if run is None or not missing:
        return
    ended = {record.round: record.run_attempt for record in state.history}
    for number in sorted({*missing, *list(ended)[-1:]}, reverse=True):
        for again in count(1):
            name = run_record.artifact_name(state.task_id, number, again)
            if not forge.fetch_record(name, run, target) and again >= ended.get(number, 1):
                break


def _remote_task_id(request: ReportRequest, folder: Path) -> str:
    """The task that was named, else that of the loop here."""
    if not request.task_id:
        with suppress(LoopError):
            return _load(folder, "").task_id
        raise BadSetting(
            "No task is named, and there is no loop here.",
            "Name one that `loop status --remote` lists: loop report TASK --remote",
            anchor="loop-not-found",
        )
    try:
        return check_task_id(request.task_id)
    except ValueError as error:
        raise BadSetting(
            f"The task id {request.task_id[:80]!r} {error}.",
            "Give a plain task id.",
            anchor="task-id-invalid",
        ) from None


def _page(git: Git, environ: Mapping[str, str]) -> str:
    """The page of the repository on its forge."""
    server = remote_place(git, environ, _REMOTE)
    return f"{server.server_url}/{server.repository}" if server.repository else ""
