"""A run on a laptop: the user's repository, the folder `.loop/`, and the same engine as in CI."""

import gc
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from functools import cache, partial
from pathlib import Path
from typing import Any

from loop_kit import bootstrap
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.fetched_store import FetchedStore
from loop_kit.adapters.git.repository import Place, locate
from loop_kit.adapters.git.work_tree import named_paths, read_status, require_clean
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
from loop_kit.adapters.terminal.console import ConsoleReporter, console
from loop_kit.bootstrap import Site
from loop_kit.core.briefing.knowledge import Lesson
from loop_kit.core.card.enforced import accept_card
from loop_kit.core.card.task import TaskCard, parse_card
from loop_kit.core.forge.figures import usage_text
from loop_kit.core.forge.render import headline
from loop_kit.core.loop import bus
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.entering import Start
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Phase
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.text.sanitize import one_line
from loop_kit.engine import Engine
from loop_kit.errors import BadBusFile, BadSetting, ExitCode, GitFailed, StateRefused
from loop_kit.frozen import frozen
from loop_kit.ports import Reporter
from loop_kit.settings import Settings, for_laptop
from loop_kit.usecases.local_branch import LocalBranch
from loop_kit.usecases.local_files import find_card, load_card, read_config
from loop_kit.usecases.next_steps import write_next_steps
from loop_kit.usecases.supply import supply_of


@frozen
class Request:
    """What the command line was asked; `flags` holds only what was given.

    `decisions` are what is decided about findings, by verb, as it was typed.
    """

    cwd: Path
    environ: Mapping[str, str]
    loop_dir: str = LOOP_DIR
    task: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    refresh_card: bool = False
    decisions: Mapping[str, str] = field(default_factory=dict)
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
        raise BadSetting(
            f"{folder} is a file.",
            "Move it away, or name another --loop-dir.",
            anchor="folder-in-the-way",
        )
    with exclusive(folder / "lock"):
        remove_drafts(folder)
        kill_leftovers(folder / "runtime" / "mailbox")
        release = _hide(place, folder)
        try:
            return _LocalRun(request, git.at(place.root), place, folder).run()
        finally:
            release()


_ROUNDS_UNTIL_CLEANED = 10
"""Python looks for unused cycles rarely here (`cli.main`), and each round makes some. It leaves a
pack in the repository too, and without one index of them all git looks through one after another.
"""


class _Engines:
    """The engine of each round: the usual one, or one whose worker a rule names."""

    def __init__(self, site: Site, settings: Settings, card: TaskCard, usual: Engine) -> None:
        self._site, self._settings, self._card = site, settings, card
        self.usual = usual

    def of_round(self, state: LoopState, store: FetchedStore, shown: Reporter) -> Engine:
        """The engine that runs the next round of `state`."""
        settings = self._settings
        if state.fresh_round:
            from loop_kit.usecases.other_backend import for_fresh_round

            settings = for_fresh_round(self._site, settings, state, shown.warn)
        other = settings != self._settings
        engine = (
            bootstrap.open_loop(self._site, settings, self._card, store, shown)
            if other
            else self.usual
        )
        engine.join(state, self._card)
        return engine


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
            keep_card=cache(partial(_is_tracked, git, folder / bus.TASK_CARD)),
            keep_work=self._keep_work,
        )
        self._branch: LocalBranch | None = None
        self._is_over = False

    def run(self) -> ExitCode:
        """Resolve the settings, check everything that can be checked for free, then run."""
        request = self._request
        config = read_config(self._folder).layer
        layers = for_laptop(request.environ, request.flags)
        card = self._card(request.task or layers.resolve(config).task)
        settings = layers.resolve(config, card)
        supply = supply_of(self._git, request.environ)
        site = Site.on_laptop(self._git, self._place, request.environ, self._folder, supply)
        with console(request.environ, verbose=settings.verbose) as shown:
            try:
                engine = bootstrap.open_loop(site, settings, card, self._store, shown)
                site.space.check()
                self._check_clean(settings, shown)
                return self._rounds(_Engines(site, settings, card, engine), settings, card)
            finally:
                left = site.space.close(resumable=not self._is_over)
                if left:
                    shown.warn(left)

    def _rounds(self, engines: "_Engines", settings: Settings, card: TaskCard) -> ExitCode:
        """Run round after round.

        What a round recorded is durable before the next attempt starts; without one, or before the
        user's own files follow it, here.
        """
        engine = engines.usual
        shown, recorded = engine.reporter, self._load_recorded()
        fresh = self._is_fresh(card, recorded)
        branch = self._open_branch(settings, card, None if fresh else recorded, shown)
        state = engine.begin(self._start(settings, card, recorded, branch, fresh=fresh), recorded)
        if state.outcome is Outcome.APPROVED:
            self._learn(state, shown)
            shown.note("The loop is approved already.")
            self._report_next_steps(shown, state, branch)
            return ExitCode.OK
        gc.freeze()  # What is loaded by now stays.
        while state.is_running:
            state = engines.of_round(state, self._store, shown).run(last_round=state.round)
            is_last = not state.is_running or self._request.single_round is not None
            if is_last or branch.in_user_tree:
                self._store.sync(state.branch_tip)
                branch.follow(state)
            if is_last:
                break
            if state.round % _ROUNDS_UNTIL_CLEANED == 0:
                gc.collect()
                with suppress(GitFailed):
                    self._git.run("multi-pack-index", "write", "--no-progress")
        self._is_over = state.outcome is not None and state.resume_phase is None
        if state.outcome is Outcome.APPROVED:
            self._learn(state, shown)
        self._report_end(shown, state, branch)
        return state.exit_code

    def _open_branch(
        self, settings: Settings, card: TaskCard, recorded: LoopState | None, shown: Reporter
    ) -> LocalBranch:
        """The branch that keeps the work; of another task's loop nothing counts."""
        if recorded is not None and (recorded.task_id != card.task_id or recorded.contradiction):
            recorded = None
        self._branch = LocalBranch(
            *(self._git, self._place, settings, card.task_id, recorded),
            *(self._store.fetched_tip, self._folder_name, shown),
        )
        return self._branch

    def _report_end(self, shown: Reporter, state: LoopState, branch: LocalBranch) -> None:
        shown.note(headline(state))
        shown.note(f"Used: {usage_text(state.usage)}.")
        self._report_next_steps(shown, state, branch)

    def _report_next_steps(self, shown: Reporter, state: LoopState, branch: LocalBranch) -> None:
        """Say where the work is and how the loop is continued; `loop status` says it again."""
        lines = branch.deliver(state)
        if state.outcome is not None and state.resume_phase is not None:
            logs = self._folder / "logs"
            if any(logs.glob("*_dispatch.log")):
                lines.append(f"Transcripts are in {logs}.")
            lines += self._advice(state)
        for line in lines:
            shown.note(line)
        write_next_steps(self._folder, state.seq, lines)

    def _advice(self, state: LoopState) -> list[str]:
        from loop_kit.usecases.local_advice import before_resuming, ways_to_resume
        from loop_kit.usecases.resume_command import resume_words

        lines = [f"What it means: {state.explanation}", *before_resuming(state)]
        for means, options in ways_to_resume(state):
            words = resume_words(self._request.argv or ["run"], options)
            lines += [means, f"  {shlex.join(['loop', *words])}"]
        return lines

    def _card(self, task: str) -> TaskCard:
        """The card: the frozen one when a loop is continued, else the user's file."""
        keeps = self._request.resume and not self._request.refresh_card
        frozen = self._store.read(bus.TASK_CARD) if keeps else None
        kept = None if frozen is None else parse_card(frozen, bus.TASK_CARD)
        if kept is not None and not task:
            return kept
        path = find_card(self._request.cwd, self._folder, task)
        given = load_card(path)
        if kept is not None and kept.task_id == given.task_id:
            return kept
        return accept_card(given, str(path))

    def _load_recorded(self) -> LoopState | None:
        """What an earlier run has left; what cannot be read is moved aside for a new loop."""
        if self._request.reset:
            self._store.reset()
        if not self._request.resume:
            aside = self._store.set_aside()
            if aside is not None:
                sys.stderr.write(f"Warning: state.json could not be read and is now {aside}.\n")
        return self._store.load()

    def _is_fresh(self, card: TaskCard, recorded: LoopState | None) -> bool:
        """Whether a new loop begins."""
        if self._request.single_round is None:
            return not self._request.resume
        return _is_fresh(self._request.single_round, card, recorded)

    def _start(
        self,
        settings: Settings,
        card: TaskCard,
        recorded: LoopState | None,
        branch: LocalBranch,
        *,
        fresh: bool,
    ) -> Start:
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
            decisions=self._decisions(recorded),
            base_branch=branch.user_branch,
            work_branch=branch.branch,
        )

    def _decisions(self, recorded: LoopState | None) -> tuple[Command, ...]:
        """What people have decided about findings; most runs are given nothing."""
        if not self._request.decisions:
            return ()
        from loop_kit.usecases.local_advice import read_decisions

        return read_decisions(self._request.decisions, recorded)

    def _limits(self, settings: Settings, card: TaskCard, recorded: LoopState | None) -> Limits:
        limits = bootstrap.limits(settings, card, ci=False)
        if not self._request.resume or recorded is None:
            return limits
        from loop_kit.usecases.local_advice import limits_to_resume

        return limits_to_resume(limits, self._request.flags, recorded)

    def _keep_work(self, sha: str) -> None:
        if self._branch is not None:
            self._branch.keep(sha)

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
        status = read_status(self._git, self._folder_name)
        if not settings.allow_dirty:
            require_clean(status)
        elif status.paths:
            shown.note(
                f"The agents start from HEAD and do not see {named_paths(sorted(status.paths))}."
                " Proceeding."
            )

    @property
    def _folder_name(self) -> str:
        """The loop's folder relative to the repository, or the default when it is outside."""
        return path_in_repository(self._folder, self._place.root) or LOOP_DIR


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
            anchor="round-not-due",
        )
    return True


def _hide(place: Place, folder: Path) -> Callable[[], None]:
    inside = path_in_repository(folder, place.root)
    if inside is None:
        return lambda: None
    return exclude_generated(place.git_dir, inside, run=True, folder=folder)


def _is_tracked(git: Git, path: Path) -> bool:
    return git.run("ls-files", "--error-unmatch", "--", str(path), ok=(0, 1, 128)).code == 0
