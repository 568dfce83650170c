"""`loop plan`: which task cards are ready to be started, for people and as a matrix of jobs.

A card that is wrong must not keep the others from being started, so it is reported and skipped.
What was merged is asked of the forge, and only for ids on which the plan depends; without a token
nobody can be asked, so a card that depends on others waits.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import ExitCode

if TYPE_CHECKING:
    from loop_kit.adapters.git.command import Git
    from loop_kit.adapters.git.remote_loops import StateRecord, Tips
    from loop_kit.core.card.task import TaskCard
    from loop_kit.core.ci.planning import (
        CardAt,
        LoopStatus,
        Plan,
        Refused,
    )
    from loop_kit.usecases.remote import RemotePlace

_SUFFIXES = (".json", ".yml", ".yaml")
_MAX_CARDS = 1000


def plan(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    matrix: bool = typer.Option(
        False, "--matrix", help="Print a matrix of jobs; in a job also set `matrix` and `any`."
    ),
    strict: bool = typer.Option(False, "--strict", help="Exit 3 when a card is refused."),
    remote: str = typer.Option("origin", help="The git remote that the loops are on."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show which task cards are ready to be started, and what the others wait for."""
    made, notes = _plan(Path.cwd(), loop_dir, remote, os.environ)
    for note in notes:
        typer.echo(f"Note: {note}", err=True)
    if matrix:
        shown = json.dumps({"include": _include(made)}, separators=(",", ":"))
        typer.echo(shown)
        _set_outputs(os.environ.get("GITHUB_OUTPUT", ""), shown, bool(made.ready))
        _say_refused(made)
    elif as_json:
        typer.echo(json.dumps(_as_json(made), separators=(",", ":")))
    else:
        _show(made, loop_dir)
    if strict and made.refused:
        raise typer.Exit(int(ExitCode.VALIDATION))


def _plan(
    cwd: Path, loop_dir: str, remote: str, environ: Mapping[str, str]
) -> "tuple[Plan, list[str]]":
    """The plan, and what a person should know about how it was made."""
    from loop_kit.adapters.git.command import Git
    from loop_kit.adapters.git.repository import locate
    from loop_kit.adapters.loop_dir.loop_folder import loop_folder
    from loop_kit.core.ci.planning import plan_cards, task_ids_to_look_up
    from loop_kit.settings import for_laptop
    from loop_kit.usecases.local_files import read_config
    from loop_kit.usecases.remote import remote_place

    in_job = environ.get("GITHUB_ACTIONS") == "true"
    git = Git.in_job(cwd, environ, timeout=120) if in_job else Git(cwd, environ)
    git = git.at(locate(git).root)
    folder = loop_folder(git.directory, loop_dir)
    prefix = for_laptop(environ).resolve(read_config(folder).layer).branch_prefix
    cards, refused = _cards(folder, git.directory)
    if not cards:
        return replace(plan_cards([], {}, ()), refused=tuple(refused)), []
    place = remote_place(git, environ, remote)
    seen = _look(git, place, prefix, cards)
    loops = seen.glances()
    asked = task_ids_to_look_up(cards, loops)
    merged = _merged(place, prefix, asked)
    made = plan_cards(cards, loops, merged)
    notes = []
    if asked and merged is None:
        lost = "a card whose branches were deleted after the merge looks new"
        notes.append(f"Pull requests were not asked for, so {lost}. {place.hint}")
    return replace(made, refused=(*made.refused, *refused)), notes


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the git server has of the loops that a plan speaks of."""

    tips: "Mapping[str, Tips]"
    recorded: "Mapping[str, StateRecord]"

    def glances(self) -> "dict[str, LoopStatus]":
        """How each loop stands."""
        from loop_kit.core.ci.planning import LoopStatus

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


def _look(git: "Git", place: "RemotePlace", prefix: str, cards: "Iterable[CardAt]") -> _Seen:
    from loop_kit.adapters.git.remote_loops import RemoteLoops, scratch_repository

    names = {each.task_id for each in cards}
    names |= {name for each in cards for name in each.card.depends_on}
    with scratch_repository(git) as scratch:
        loops = RemoteLoops(scratch, place.remote, prefix)
        tips = loops.tips(names)
        return _Seen(tips, loops.states(name for name, found in tips.items() if found.state))


def _merged(place: "RemotePlace", prefix: str, asked: "Iterable[str]") -> frozenset[str] | None:
    """Which of these tasks were merged; None where no forge can be asked."""
    from loop_kit.usecases.merged import is_task_merged

    forge = place.forge()
    if forge is None:
        return None
    try:
        return frozenset(name for name in sorted(asked) if is_task_merged(forge, prefix, name))
    finally:
        forge.close()


def _cards(folder: Path, root: Path) -> "tuple[list[CardAt], list[Refused]]":
    """The cards in the loop's folder, and what is there but is none."""
    from loop_kit.core.ci.planning import CardAt, Refused
    from loop_kit.core.loop import bus
    from loop_kit.errors import BadCard

    tasks = folder / "tasks"
    listed = sorted(tasks.iterdir()) if tasks.is_dir() else []
    files = [p for p in listed if p.suffix in _SUFFIXES and not p.name.startswith(".")]
    cards: list[CardAt] = []
    refused: list[Refused] = []
    for path in [*files[:_MAX_CARDS], folder / bus.TASK_CARD]:
        shown = os.path.relpath(path, root).replace(os.sep, "/")
        try:
            card = _card(path, shown)
        except BadCard as error:
            refused.append(Refused(shown, error.sentence))
        else:
            cards += [CardAt(shown, card)] if card else []
    left = len(files) - _MAX_CARDS
    if left > 0:
        where = os.path.relpath(tasks, root).replace(os.sep, "/")
        refused.append(Refused(where, f"{left} more cards than the {_MAX_CARDS} that are read."))
    return cards, refused


def _card(path: Path, shown: str) -> "TaskCard | None":
    """The card in a file, or None when there is no file; a link is not followed, as in a job.

    Raises:
        BadCard: it cannot be read, is no card, or has a name that no workflow should carry.
    """
    from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
    from loop_kit.core.card.task import MAX_CARD_BYTES, parse_card
    from loop_kit.errors import BadCard

    if not shown.isprintable():
        named = shown.encode("ascii", "backslashreplace").decode()
        raise BadCard(f"{named}: a name with characters that cannot be shown.", "Rename it.")
    try:
        raw = read_plain(path, MAX_CARD_BYTES)
    except (BusFileUnreadable, OSError) as error:
        raise BadCard(f"{shown}: {error}.", "Write a plain file there.") from None
    return None if raw is None else parse_card(raw, shown)


def _include(made: "Plan") -> list[dict[str, str]]:
    """The ready cards as `strategy.matrix` wants them."""
    return [{"task": each.path, "task-id": each.task_id} for each in made.ready]


def _as_json(made: "Plan") -> dict[str, list[dict[str, str]]]:
    return {
        "include": _include(made),
        "waiting": [
            {"task": each.path, "task-id": each.task_id, "why": each.why} for each in made.waiting
        ],
        "refused": [{"task": each.path, "why": each.why} for each in made.refused],
    }


def _set_outputs(path: str, shown: str, any_ready: bool) -> None:
    """Say it to the steps after this one: ASCII on one line each, so that no delimiter is needed.

    A job whose matrix is empty fails: `any` is what it asks in its `if`.
    """
    if path:
        with Path(path).open("a", encoding="ascii", newline="\n") as stream:
            stream.write(f"matrix={shown}\nany={'true' if any_ready else 'false'}\n")


def _say_refused(made: "Plan") -> None:
    from loop_kit.core.sanitize import one_line

    for each in made.refused:
        typer.echo(f"Refused: {one_line(_named(each), 500)}", err=True)


def _show(made: "Plan", loop_dir: str) -> None:
    from loop_kit.core.sanitize import one_line

    rows = [("ready", each.task_id, each.path) for each in made.ready]
    rows += [("waiting", each.task_id, f"{each.path}: {each.why}") for each in made.waiting]
    rows += [("refused", "-", _named(each)) for each in made.refused]
    if not rows:
        typer.echo(f"There is no task card in {one_line(loop_dir, 300)}/tasks.")
    width = max((len(task_id) for _, task_id, _ in rows), default=0)
    for kind, task_id, said in rows:
        typer.echo(f"{kind:7}  {task_id:{width}}  {one_line(said, 500)}")


def _named(each: "Refused") -> str:
    """The sentence, which names the file if it does not yet."""
    return each.why if each.path in each.why else f"{each.path}: {each.why}"
