"""Reads task cards for people: from a file, the text of an issue, or standard input."""

from collections.abc import Callable, Mapping
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.loop_dir.loop_folder import (
    BusFileUnreadable,
    loop_folder,
    read_plain,
    repository_root,
)
from loop_kit.core.card.enforced import accept_card
from loop_kit.core.card.issue import card_in_issue
from loop_kit.core.card.scope import patterns
from loop_kit.core.card.task import MAX_CARD_BYTES, TaskCard, parse_card
from loop_kit.errors import BadCard, LoopError
from loop_kit.frozen import frozen
from loop_kit.usecases.local_files import find_card, load_card

_STANDARD_INPUT = "-"
_MAX_BYTES = 16 * MAX_CARD_BYTES
_MAX_FILES = 10_000


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


@frozen
class Enforced:
    """What is enforced of a card: each path out of scope, with how many files it protects now.

    `files` is None where there is no commit to look at. `advice` are entries that are only read.
    """

    paths: tuple[tuple[str, int | None], ...]
    advice: tuple[str, ...]


def enforced_scope(cwd: Path, environ: Mapping[str, str], card: TaskCard) -> Enforced:
    """What of the card's `out_of_scope` is enforced in the repository that `cwd` is in."""
    root = repository_root(cwd)
    scope = _scope_entries(root, card.out_of_scope)
    repository = GitRepository(Git(root, environ))
    try:
        head = repository.resolve("HEAD")
    except LoopError:
        head = None
    paths = tuple(
        (one, len(repository.matching_files(head, (one,), _MAX_FILES)) if head else None)
        for one in scope.patterns
    )
    return Enforced(paths, tuple(entry for entry in scope.prose if entry.strip()))


def read_card(path: str, read_stdin: Callable[[int], bytes]) -> TaskCard:
    """The card in the file at `path`, or for `-` in what `read_stdin` reads.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    if path != _STANDARD_INPUT:
        return accept_card(load_card(Path(path)), path)
    raw = read_stdin(_MAX_BYTES)
    is_json = raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    name = "stdin.json" if is_json else "stdin.yaml"
    return accept_card(parse_card(raw, name), name)


def read_issue_card(path: str, read_stdin: Callable[[int], bytes]) -> TaskCard:
    """The card in the issue's text in the file at `path`, or for `-` in what `read_stdin` reads.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    is_file = path != _STANDARD_INPUT
    raw = _read_text_file(Path(path)) if is_file else read_stdin(_MAX_BYTES)
    name = path if is_file else "stdin"
    try:
        return accept_card(card_in_issue(raw.decode("utf-8-sig"), 0), "the issue")
    except UnicodeDecodeError as error:
        raise BadCard(
            f"{name}: not UTF-8 at byte {error.start}.",
            "Save the text as UTF-8.",
            anchor="card-unreadable",
        ) from None
    except BadCard as error:
        raise BadCard(f"{name}: {error.sentence}", error.remedy, anchor=error.anchor) from None


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
        raise BadCard(
            f"{path} cannot be read: {error}.",
            "Name a readable text file.",
            anchor="card-unreadable",
        ) from None
    if raw is None:
        raise BadCard(
            f"{path} was not found.",
            "Name the file with the text of the issue.",
            anchor="card-unreadable",
        )
    return raw


def _scope_entries(root: Path, entries: tuple[str, ...]) -> ScopeEntries:
    existing = frozenset(entry for entry in entries if _exists(root, entry))
    found = patterns(entries, existing)
    prose = [entry for entry in entries if not patterns((entry,), existing)]
    return ScopeEntries(list(found), prose)


def _exists(root: Path, entry: str) -> bool:
    try:
        return bool(entry.strip()) and (root / entry.strip()).exists()
    except (OSError, ValueError):
        return False
