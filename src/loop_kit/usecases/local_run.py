"""A run on a laptop: the user's repository, the folder `.loop/`, and the same engine as in CI."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loop_kit import bootstrap
from loop_kit.adapters.console import ConsoleReporter, console
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.fetched_store import FetchedStore
from loop_kit.adapters.git.repository import Place, locate
from loop_kit.adapters.git.work_tree import read_status, require_clean
from loop_kit.adapters.loop_dir.context_folder import ContextFolder
from loop_kit.adapters.loop_dir.loop_folder import (
    exclude_generated,
    loop_folder,
    path_in_repository,
    remove_drafts,
)
from loop_kit.adapters.loop_dir.loop_lock import exclusive
from loop_kit.adapters.loop_dir.mailbox import kill_leftovers
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.bootstrap import Site
from loop_kit.core.briefing.knowledge import Lesson
from loop_kit.core.card.task import TaskCard, parse_card
from loop_kit.core.forge.render import headline, usage_text
from loop_kit.core.loop import bus
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Phase
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.sanitize import one_line
from loop_kit.engine import Engine
from loop_kit.errors import BadBusFile, BadSetting, ExitCode, StateRefused
from loop_kit.ports import Reporter
from loop_kit.settings import Settings, for_laptop
from loop_kit.usecases.local_advice import (
    before_resuming,
    limits_to_resume,
    options_to_resume,
    require_refused_work_gone,
)
from loop_kit.usecases.local_files import find_card, load_card, read_config
from loop_kit.usecases.resume_command import resume_words


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line was asked; `flags` holds only what was given."""

    cwd: Path
    environ: Mapping[str, str]
    loop_dir: str = LOOP_DIR
    task: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    refresh_card: bool = False
    reset: bool = False
    single_round: int | None = None
    argv: tuple[str, ...] = ()


def run_local(request: Request) -> ExitCode:
    """Run the loop and return the exit code of its outcome.

    Raises:
        LoopError: anything that a person has to fix first; nothing was spent.
    """
    git = Git(request.cwd, request.environ)
    place = locate(git)
    folder = loop_folder(place.root, request.loop_dir)
    if folder.exists() and not folder.is_dir():
        raise BadSetting(f"{folder} is a file.", "Move it away, or name another --loop-dir.")
    with exclusive(folder / "lock"):
        remove_drafts(folder)
        kill_leftovers(folder / "runtime" / "mailbox")
        release = _hide(place, folder)
        try:
            return _LocalRun(request, git.at(place.root), place, folder).run()
        finally:
            release()


class _LocalRun:
    """One run, from settings to exit code, by the holder of the lock."""

    def __init__(self, request: Request, git: Git, place: Place, folder: Path) -> None:
        self._request = request
        self._git = git
        self._place = place
        self._folder = folder
        self._store = FetchedStore(
            folder,
            git,
            keep_card=_is_tracked(git, folder / bus.TASK_CARD),
            keep_work=self._keep_work,
        )
        self._work_branch = ""

    def run(self) -> ExitCode:
        """Resolve the settings, check everything that can be checked for free, then run."""
        request = self._request
        config = read_config(self._folder).layer
        layers = for_laptop(request.environ, request.flags)
        card = self._card(request.task or layers.resolve(config).task)
        settings = layers.resolve(config, card)
        site = Site.on_laptop(self._git, self._place, request.environ, self._folder)
        with console(verbose=settings.verbose) as shown:
            engine = bootstrap.open_loop(site, settings, card, self._store, shown)
            if settings.isolation == "clone":
                self._work_branch = self._own_branch(settings, card)
            else:
                self._check_clean(settings, shown)
            return self._rounds(engine, settings, card)

    def _rounds(self, engine: Engine, settings: Settings, card: TaskCard) -> ExitCode:
        """Run round after round; between two, restart if our own code changed on disk."""
        before, shown = code_stamp(), engine.reporter
        recorded = self._load_recorded()
        if recorded is not None and self._request.resume and not self._request.refresh_card:
            require_refused_work_gone(recorded, self._place.head)
        state = engine.begin(self._start(settings, card, recorded), recorded)
        if state.outcome is Outcome.APPROVED:
            self._learn(state, shown)
            shown.note("The loop is approved already.")
            return ExitCode.OK
        while state.is_running:
            state = engine.run(last_round=state.round)
            self._store.sync(state.branch_tip)
            if self._request.single_round is not None:
                break
            again = self._request.argv[:1] == ("run",)
            if again and state.state is not Phase.DONE and code_stamp() != before:
                shown.note("The code of loop-kit changed on disk: continuing with the new code.")
                _restart(self._request)
        if state.outcome is Outcome.APPROVED:
            self._learn(state, shown)
        self._report_end(shown, state)
        return state.exit_code

    def _report_end(self, shown: Reporter, state: LoopState) -> None:
        shown.note(headline(state))
        shown.note(f"Used: {usage_text(state)}.")
        if self._work_branch:
            shown.note(f"The work is on the branch {self._work_branch}.")
        if state.outcome is not None and state.resume_phase is not None:
            shown.note(f"Transcripts are in {self._folder / 'logs'}.")
            for line in before_resuming(state, locate(self._git).head):
                shown.note(line)
            words = resume_words(self._request.argv or ["run"], options_to_resume(state))
            shown.note("Continue with:")
            shown.note(f"  {shlex.join(['loop', *words])}")

    def _card(self, task: str) -> TaskCard:
        """The card: the frozen one when a loop is continued, else the user's file."""
        keeps = self._request.resume and not self._request.refresh_card
        frozen = self._store.read(bus.TASK_CARD) if keeps else None
        kept = None if frozen is None else parse_card(frozen, bus.TASK_CARD)
        if kept is not None and not task:
            return kept
        given = load_card(find_card(self._request.cwd, self._folder, task))
        return kept if kept is not None and kept.task_id == given.task_id else given

    def _load_recorded(self) -> LoopState | None:
        """What an earlier run has left; what cannot be read is moved aside for a new loop."""
        if self._request.reset:
            self._store.reset()
        if not self._request.resume:
            aside = self._store.set_aside()
            if aside is not None:
                sys.stderr.write(f"Warning: state.json could not be read and is now {aside}.\n")
        return self._store.load()

    def _start(self, settings: Settings, card: TaskCard, recorded: LoopState | None) -> Start:
        fresh = not self._request.resume
        if self._request.single_round is not None:
            fresh = _is_fresh(self._request.single_round, card, recorded)
        if fresh and recorded is not None and not recorded.is_finished:
            sys.stderr.write(
                f"Warning: {one_line(recorded.task_id)} was at round {recorded.last_round}"
                " and starts again; --resume would have continued it.\n"
            )
        return Start(
            card=card,
            base_sha=self._place.head,
            start_sha=self._place.head,
            limits=self._limits(settings, card, recorded),
            verify=settings.verify,
            fresh=fresh,
            refreshes=self._request.refresh_card,
            work_branch=self._work_branch or self._place.branch,
        )

    def _limits(self, settings: Settings, card: TaskCard, recorded: LoopState | None) -> Limits:
        limits = bootstrap.limits(settings, card, ci=False)
        if not self._request.resume or recorded is None:
            return limits
        return limits_to_resume(limits, self._request.flags, recorded)

    def _own_branch(self, settings: Settings, card: TaskCard) -> str:
        """The branch that keeps the work of isolated clones; the user's own stays as it is."""
        branch = f"{settings.branch_prefix}/{card.task_id}/work"
        if self._place.branch == branch:
            raise BadSetting(
                f"The branch {branch} is checked out here, and the loop would move it.",
                "Check out another branch, or run with isolation in-place.",
            )
        return branch

    def _keep_work(self, sha: str) -> None:
        if self._work_branch:
            ref = f"refs/heads/{self._work_branch}"
            self._git.run("update-ref", "-m", "loop-kit: work", ref, sha)

    def _learn(self, state: LoopState, shown: Reporter) -> None:
        """Keep what blocked a round and was fixed; run twice, it is learned once."""
        lessons = [
            Lesson(f.severity, f.file, f.reason, f"{state.task_id} {f.id} round {f.round}")
            for f in state.findings
            if f.status == "fixed"
        ]
        if not lessons:
            return
        try:
            ContextFolder(self._folder).learn(lessons, SystemClock().now())
        except BadBusFile as error:
            shown.warn(f"Nothing was learned from this loop: {error.sentence}")
        except OSError as error:
            shown.warn(f"Not all was learned from this loop: {error.filename}: {error.strerror}.")

    def _check_clean(self, settings: Settings, shown: ConsoleReporter) -> None:
        ignored = path_in_repository(self._folder, self._place.root) or LOOP_DIR
        status = read_status(self._git, ignored)
        if settings.allow_dirty and status.tracked:
            listed = ", ".join(status.tracked[:20])
            shown.note(f"Uncommitted changes, which stay yours: {listed}. Proceeding.")
            return
        require_clean(status)


def _restart(request: Request) -> None:
    """Replace this process by one that runs the code on disk, at the round that is outstanding."""
    argv = [sys.executable, "-P", "-m", "loop_kit", *resume_words(request.argv)]
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


def _is_fresh(round_: int, card: TaskCard, recorded: LoopState | None) -> bool:
    """Whether `--single-round --round N` begins a loop or continues the recorded one.

    Raises:
        StateRefused: round 2 or later, and the recorded loop is not there.
    """
    if (
        recorded is not None
        and recorded.round == round_
        and recorded.task_id == card.task_id
        and recorded.card_sha256 in {"", card.sha256}
        and recorded.outcome is not Outcome.APPROVED
    ):
        return round_ == 1 and recorded.state is Phase.DONE
    if round_ > 1:
        at = f"{recorded.task_id or 'no task'} round {recorded.round}" if recorded else "nothing"
        raise StateRefused(
            f"Round {round_} of {card.task_id} cannot run: the recorded loop is at {at}.",
            "Run the round that is due (see loop status), or start at --round 1.",
        )
    return True


def _hide(place: Place, folder: Path) -> Callable[[], None]:
    inside = path_in_repository(folder, place.root)
    if inside is None:
        return lambda: None
    return exclude_generated(place.git_dir, inside, run=True, folder=folder)


def _is_tracked(git: Git, path: Path) -> bool:
    return git.run("ls-files", "--error-unmatch", "--", str(path), ok=(0, 1, 128)).code == 0
