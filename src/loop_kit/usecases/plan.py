"""Which task cards are ready to be started.

A card that is wrong must not keep the others from being started, so it is reported and skipped.
The forge is asked what was merged, and only for ids on which the plan depends; without a token it
cannot be asked, so a card that depends on others waits.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote_loops import RemoteLoops, StateRecord, Tips, scratch_repository
from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, loop_folder, read_plain
from loop_kit.core.card.enforced import accept_card
from loop_kit.core.card.task import MAX_CARD_BYTES, TaskCard, parse_card
from loop_kit.core.ci.planning import (
    CardAt,
    LoopStatus,
    Plan,
    RefusedCard,
    plan_cards,
    task_ids_to_look_up,
)
from loop_kit.core.loop import bus
from loop_kit.errors import BadCard
from loop_kit.frozen import frozen
from loop_kit.settings import for_laptop
from loop_kit.usecases.local_files import read_config
from loop_kit.usecases.merged import is_task_merged
from loop_kit.usecases.remote import RemotePlace, remote_place

_SUFFIXES = (".json", ".yml", ".yaml")
_MAX_CARDS = 1000
_NO_REMOTE = "There is no remote, so that no server was asked: no card can have begun in CI."


@frozen
class PlanRequest:
    """What the command line was asked; without a named `remote` it is `origin`."""

    cwd: Path
    environ: Mapping[str, str]
    loop_dir: str
    remote: str | None


def make_plan(request: PlanRequest) -> tuple[Plan, list[str]]:
    """The plan, and what a person should know about how it was made.

    Raises:
        LoopError: this is no repository, a setting is wrong, or the server cannot be asked.
    """
    environ = request.environ
    in_job = environ.get("GITHUB_ACTIONS") == "true"
    git = Git.in_job(request.cwd, environ, timeout=120) if in_job else Git(request.cwd, environ)
    git = git.at(locate(git).root)
    folder = loop_folder(git.directory, request.loop_dir)
    prefix = for_laptop(environ).resolve(read_config(folder).layer).branch_prefix
    cards, refused = _read_cards(folder, git.directory)
    if not cards:
        return replace(plan_cards([], {}, ()), refused=tuple(refused)), []
    if request.remote is None and not in_job and not git.text("remote"):
        return replace(plan_cards(cards, {}, ()), refused=tuple(refused)), [_NO_REMOTE]
    place = remote_place(git, environ, request.remote or "origin")
    loops = _read_loops(git, place, prefix, cards).statuses()
    asked = task_ids_to_look_up(cards, loops)
    merged = _merged_tasks(place, prefix, asked)
    plan = plan_cards(cards, loops, merged)
    notes = []
    if asked and merged is None:
        lost = "a card whose branches were deleted after the merge looks new"
        notes.append(f"Pull requests were not asked for, so {lost}. {place.hint}")
    return replace(plan, refused=(*plan.refused, *refused)), notes


@frozen
class _RemoteLoops:
    """What the git server has of the loops that a plan depends on."""

    tips: Mapping[str, Tips]
    recorded: Mapping[str, StateRecord]

    def statuses(self) -> dict[str, LoopStatus]:
        """What a plan has to know of each loop."""
        found = {}
        for name in self.tips:
            record = self.recorded.get(name)
            if record is None:
                found[name] = LoopStatus.unreadable("it has a work branch and no state branch")
            elif record.state is None:
                found[name] = LoopStatus.unreadable(record.why)
            else:
                found[name] = LoopStatus.of(record.state)
        return found


def _read_loops(git: Git, place: RemotePlace, prefix: str, cards: Iterable[CardAt]) -> _RemoteLoops:
    names = {each.task_id for each in cards}
    names |= {name for each in cards for name in each.card.depends_on}
    with scratch_repository(git) as scratch:
        loops = RemoteLoops(scratch, place.remote, prefix)
        tips = loops.tips(names)
        recorded = loops.states(name for name, found in tips.items() if found.state)
        return _RemoteLoops(tips, recorded)


def _merged_tasks(place: RemotePlace, prefix: str, asked: Iterable[str]) -> frozenset[str] | None:
    """Which of these tasks were merged; None where no forge can be asked."""
    forge = place.forge()
    if forge is None:
        return None
    try:
        return frozenset(name for name in sorted(asked) if is_task_merged(forge, prefix, name))
    finally:
        forge.close()


def _read_cards(folder: Path, root: Path) -> tuple[list[CardAt], list[RefusedCard]]:
    """The cards in the loop's folder, and the files there that are none."""
    tasks = folder / "tasks"
    entries = sorted(tasks.iterdir()) if tasks.is_dir() else []
    files = [p for p in entries if p.suffix in _SUFFIXES and not p.name.startswith(".")]
    cards: list[CardAt] = []
    refused: list[RefusedCard] = []
    for path in [*files[:_MAX_CARDS], folder / bus.TASK_CARD]:
        name = os.path.relpath(path, root).replace(os.sep, "/")
        try:
            card = _read_card(path, name)
        except BadCard as error:
            refused.append(RefusedCard(name, error.sentence))
        else:
            cards += [CardAt(name, card)] if card else []
    left = len(files) - _MAX_CARDS
    if left > 0:
        where = os.path.relpath(tasks, root).replace(os.sep, "/")
        refused.append(
            RefusedCard(where, f"{left} more cards than the {_MAX_CARDS} that are read.")
        )
    return cards, refused


def _read_card(path: Path, name: str) -> TaskCard | None:
    """The card in a file, or None when there is no file; a link is not followed, as in a job.

    Raises:
        BadCard: it cannot be read, is no card, or has a name that no workflow should carry.
    """
    if not name.isprintable():
        escaped = name.encode("ascii", "backslashreplace").decode()
        raise BadCard(
            f"{escaped}: a name with characters that cannot be shown.",
            "Rename it.",
            anchor="card-unreadable",
        )
    try:
        raw = read_plain(path, MAX_CARD_BYTES)
    except (BusFileUnreadable, OSError) as error:
        raise BadCard(
            f"{name}: {error}.", "Write a plain file there.", anchor="card-unreadable"
        ) from None
    return None if raw is None else accept_card(parse_card(raw, name), name)
