"""Reads task cards for people: from a file, the text of an issue, or standard input."""

from collections.abc import Callable
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    loop_folder,
    read_plain,
    repository_root,
)
from loop_kit.core.card.issue import card_in_issue
from loop_kit.core.card.scope import patterns
from loop_kit.core.card.task import MAX_CARD_BYTES, TaskCard, parse_card
from loop_kit.errors import BadCard
from loop_kit.frozen import frozen
from loop_kit.usecases.local_files import find_card, load_card

_STANDARD_INPUT = "-"
_MAX_BYTES = 16 * MAX_CARD_BYTES


@frozen
class ScopeEntries:
    """The entries of a scope that are compared with paths, and those that are only read."""

    patterns: list[str]
    prose: list[str]


@frozen
class LocalCard:
    """A card as the loop would use it, and the file that it is in."""

    path: Path
    card: TaskCard
    in_scope: ScopeEntries
    out_of_scope: ScopeEntries


def read_card(path: str, read_stdin: Callable[[int], bytes]) -> TaskCard:
    """The card in the file at `path`, or for `-` in what `read_stdin` reads.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    if path != _STANDARD_INPUT:
        return load_card(Path(path))
    raw = read_stdin(_MAX_BYTES)
    is_json = raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    return parse_card(raw, "stdin.json" if is_json else "stdin.yaml")


def read_issue_card(path: str, read_stdin: Callable[[int], bytes]) -> TaskCard:
    """The card in the issue's text in the file at `path`, or for `-` in what `read_stdin` reads.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    is_file = path != _STANDARD_INPUT
    raw = _read_text_file(Path(path)) if is_file else read_stdin(_MAX_BYTES)
    name = path if is_file else "stdin"
    try:
        return card_in_issue(raw.decode("utf-8-sig"), 0)
    except UnicodeDecodeError as error:
        raise BadCard(
            f"{name}: not UTF-8 at byte {error.start}.", "Save the text as UTF-8."
        ) from None
    except BadCard as error:
        raise BadCard(f"{name}: {error.sentence}", error.remedy) from None


def local_card(cwd: Path, loop_dir: str, task: str) -> LocalCard:
    """The card that `task` means: a file, the id of a card, or '' for the default.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    root = repository_root(cwd)
    path = find_card(cwd, loop_folder(root, loop_dir), task)
    card = load_card(path)
    scopes = [_scope_entries(root, scope) for scope in (card.in_scope, card.out_of_scope)]
    return LocalCard(path, card, *scopes)


def _read_text_file(path: Path) -> bytes:
    try:
        raw = read_plain(path.resolve(), _MAX_BYTES)
    except (BusFileUnreadable, OSError, RuntimeError) as error:
        raise BadCard(f"{path} cannot be read: {error}.", "Name a readable text file.") from None
    if raw is None:
        raise BadCard(f"{path} was not found.", "Name the file with the text of the issue.")
    return raw


def _scope_entries(root: Path, entries: tuple[str, ...]) -> ScopeEntries:
    found = patterns(entries, frozenset(entry for entry in entries if _exists(root, entry)))
    return ScopeEntries(list(found), [entry for entry in entries if entry.strip() not in found])


def _exists(root: Path, entry: str) -> bool:
    try:
        return bool(entry.strip()) and (root / entry.strip()).exists()
    except (OSError, ValueError):
        return False
