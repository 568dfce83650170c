"""A run on a laptop: the user's repository, the folder `.loop/`, and the same engine as in CI."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loop_kit import bootstrap
from loop_kit.adapters.console import ConsoleReporter, console
from loop_kit.adapters.feed import FeedReporter, Tee
from loop_kit.adapters.file_store import FileStore, exclusive
from loop_kit.adapters.git import Git, Identity
from loop_kit.adapters.git_repository import Place, locate
from loop_kit.adapters.guides import Guides
from loop_kit.adapters.in_place import read_status, require_clean
from loop_kit.adapters.loop_folder import exclude_generated, loop_folder
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.cli.card_file import find_card, load_card, read_config
from loop_kit.core import bus
from loop_kit.core.render import headline, used
from loop_kit.core.state import LoopState, Outcome, Phase, Role
from loop_kit.core.task import TaskCard, parse_card
from loop_kit.engine import Engine
from loop_kit.engine.options import Start
from loop_kit.errors import ExitCode, StateRefused
from loop_kit.ports import Agent
from loop_kit.settings import Settings, Values, card_values, environment_values, resolve


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line was asked; `flags` holds only what was given."""

    cwd: Path
    environ: Mapping[str, str]
    loop_dir: str = ".loop"
    task: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    single_round: int | None = None
    argv: tuple[str, ...] = ()


def run_local(request: Request) -> ExitCode:
    """Run the loop and return the exit code of its outcome.

    Raises:
        LoopError: anything that a person has to mend first; nothing was spent.
    """
    git = Git(request.cwd, request.environ)
    place = locate(git)
    git = git.at(place.root)
    folder = loop_folder(place.root, request.loop_dir)
    config = read_config(folder)
    layers: list[tuple[str, Values]] = [("config", config)]
    layers.append(("environment", environment_values(request.environ)))
    layers.append(("flags", request.flags))
    first = resolve(layers)
    task = request.task or first.task
    with exclusive(folder / "lock"):
        store = FileStore(folder, keep_card=_tracked(git, folder / bus.TASK_CARD))
        card = _card(request, store, folder, task)
        settings = resolve([layers[0], ("card", card_values(card)), *layers[1:]])
        ground = _ground(git, place, folder)
        agents = bootstrap.agents(settings, ground, request.environ, {})
        with console(verbose=settings.verbose) as shown:
            _check_clean(git, ground, settings, shown)
            release = _hide(place, folder)
            try:
                parts = _parts(request, store, agents, folder, place)
                options = bootstrap.options(settings, card, ground, ci=False)
                reporter = Tee(shown, FeedReporter(ground.logs, SystemClock()))
                engine = bootstrap.engine(ground, parts, reporter, options, lambda: None)
                start = _start(request, settings, card, place, store)
                return _rounds(request, engine, card, start, shown, folder)
            finally:
                release()


def _rounds(
    request: Request,
    engine: Engine,
    card: TaskCard,
    start: Start,
    shown: ConsoleReporter,
    folder: Path,
) -> ExitCode:
    """Run round after round; between two, run anew if our own code changed on disk."""
    before = code_stamp()
    state = engine.begin(start)
    if state.outcome is Outcome.APPROVED:
        shown.note("The loop is approved already.")
        return ExitCode.OK
    while state.state in {Phase.AWAITING_WORK, Phase.AWAITING_REVIEW}:
        state = engine.run(card, last_round=state.round)
        if request.single_round is not None:
            break
        if state.state is not Phase.DONE and code_stamp() != before:
            shown.note("The code of loop-kit changed on disk: going on with the new one.")
            _run_anew(request)
    _tell_end(shown, state, folder)
    return state.exit_code


def _tell_end(shown: ConsoleReporter, state: LoopState, folder: Path) -> None:
    shown.note(headline(state))
    shown.note(f"Used: {used(state)}.")
    if state.outcome is not None and state.resume_phase is not None:
        shown.note(f"Continue with: loop run --resume (transcripts are in {folder / 'logs'}).")


def _run_anew(request: Request) -> None:
    """Replace this process by one that runs the code on disk, at the round that is outstanding."""
    kept = [arg for arg in request.argv if arg not in {"--resume", "--reset"}]
    argv = [sys.executable, "-P", "-m", "loop_kit", *kept, "--resume"]
    os.execve(sys.executable, argv, dict(request.environ))  # noqa: S606


def code_stamp() -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every file of this package: equal while its code is the same."""
    import loop_kit

    root = Path(loop_kit.__file__).parent
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            about = (Path(folder) / name).stat()
            found.append((f"{folder}/{name}", about.st_size, about.st_mtime_ns))
    return tuple(sorted(found))


def _card(request: Request, store: FileStore, folder: Path, task: str) -> TaskCard:
    """The card of this run: the frozen one when a loop is continued, else the user's file."""
    frozen = store.read(bus.TASK_CARD) if request.resume else None
    if frozen is not None and not task:
        return parse_card(frozen, bus.TASK_CARD)
    return load_card(find_card(request.cwd, folder, task))


def _start(
    request: Request, settings: Settings, card: TaskCard, place: Place, store: FileStore
) -> Start:
    fresh = not request.resume
    if fresh:
        aside = store.set_aside()
        if aside is not None:
            sys.stderr.write(f"Warning: state.json could not be read and is now {aside}.\n")
    if request.single_round is not None:
        fresh = _is_fresh(request.single_round, card, store.load())
    return Start(
        card=card,
        base_sha=place.head,
        start_sha=place.head,
        limits=bootstrap.limits(settings, card),
        verify=settings.verify,
        fresh=fresh,
        work_branch=place.branch,
    )


def _is_fresh(round_: int, card: TaskCard, recorded: LoopState | None) -> bool:
    """Whether `--single-round --round N` begins a loop or continues the recorded one.

    Raises:
        StateRefused: round 2 or later, and the recorded loop is not there.
    """
    fits = (
        recorded is not None
        and recorded.round == round_
        and recorded.card_sha256 == card.sha256
        and recorded.outcome is not Outcome.APPROVED
    )
    if round_ == 1:
        return not (fits and recorded is not None and recorded.state is not Phase.DONE)
    if not fits:
        at = f"{recorded.task_id or 'no task'} round {recorded.round}" if recorded else "nothing"
        raise StateRefused(
            f"Round {round_} of {card.task_id} cannot run: the recorded loop is at {at}.",
            "Run the round that is due (see loop status), or start at --round 1.",
        )
    return False


def _ground(git: Git, place: Place, folder: Path) -> bootstrap.Ground:
    runtime = folder / "runtime"
    return bootstrap.Ground(
        git=git,
        git_dir=place.git_dir,
        root=place.root,
        loop_dir=folder,
        logs=folder / "logs",
        scratch=runtime / "scratch",
        mailboxes=runtime / "mailbox",
    )


def _parts(
    request: Request, store: FileStore, agents: Mapping[Role, Agent], folder: Path, place: Place
) -> bootstrap.Parts:
    def read(name: str) -> bytes | None:
        path = place.root / name
        return path.read_bytes() if path.is_file() else None

    inside = folder.is_relative_to(place.root)
    shown = folder.relative_to(place.root).as_posix() if inside else str(folder)
    return bootstrap.Parts(
        store=store,
        agents=agents,
        guides=Guides(read, shown),
        isolated=False,
        identity=Identity("loop-kit", "loop-kit@localhost"),
        environ=request.environ,
    )


def _check_clean(
    git: Git, ground: bootstrap.Ground, settings: Settings, shown: ConsoleReporter
) -> None:
    inside = ground.loop_dir.is_relative_to(ground.root)
    ignored = ground.loop_dir.relative_to(ground.root).as_posix() if inside else ".loop"
    status = read_status(git, ignored)
    if settings.allow_dirty and status.tracked:
        listed = ", ".join(status.tracked[:20])
        shown.note(f"Uncommitted changes, which stay yours: {listed}. Proceeding.")
        return
    require_clean(status)


def _hide(place: Place, folder: Path) -> Callable[[], None]:
    if not folder.is_relative_to(place.root):
        return lambda: None
    return exclude_generated(place.git_dir, folder.relative_to(place.root).as_posix(), card=True)


def _tracked(git: Git, path: Path) -> bool:
    return git.run("ls-files", "--error-unmatch", "--", str(path), ok=(0, 1, 128)).code == 0
