"""Finds and reads the files a person writes for a local run: the card and the configuration."""

import os
from pathlib import Path

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.config_file import MAX_CONFIG, Config, first_config
from loop_kit.core.card.task import MAX_CARD_BYTES, MINIMAL_CARD, TaskCard, parse_card
from loop_kit.core.loop import bus
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadCard, BadSetting

_SUFFIXES = ("json", "yml", "yaml")
_MAX_NAMED = 10


def find_card(cwd: Path, folder: Path, task: str) -> Path:
    """The card that `task` means: a file, the id of a card in `tasks/`, or '' for the default."""
    if not task:
        return folder / bus.TASK_CARD
    given = cwd / task
    if _is_file(given):
        return given
    tasks = folder / "tasks"
    if tasks.is_dir():
        named = [tasks / f"{task}.{suffix}" for suffix in _SUFFIXES]
        entries = sorted(path for path in tasks.iterdir() if path.suffix[1:] in _SUFFIXES)
        found = [path for path in named if _is_file(path)]
        found += [path for path in entries if path.name.startswith(f"{task}-")]
        if found:
            return found[0]
    return given


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def load_card(path: Path) -> TaskCard:
    """The card in the file at `path`.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    try:
        raw = read_plain(path.resolve(), 16 * MAX_CARD_BYTES)
    except (BusFileUnreadable, OSError, RuntimeError) as error:  # a link to itself, before 3.13
        raise BadCard(
            f"The task card {path} cannot be read: {error}.",
            f"Name a readable file of at most {MAX_CARD_BYTES} bytes.",
            anchor="card-unreadable",
        ) from None
    if raw is None:
        raise BadCard(
            f"The task card {path} was not found.",
            f"{_others(path)}Write one there, or name it with --task."
            f" A minimal card:\n{MINIMAL_CARD}",
            anchor="card-not-found",
        )
    return parse_card(raw, str(path))


def _others(path: Path) -> str:
    """A sentence with the cards that `loop run` would find by their ids, if there are some."""
    folder = path.parent / LOOP_DIR / "tasks"
    if not folder.is_dir():
        return ""
    names = sorted(each.stem for each in folder.iterdir() if each.suffix[1:] in _SUFFIXES)
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    listed = ", ".join(one_line(name, 80) for name in names[:_MAX_NAMED])
    return f"In {folder} are: {listed}{more}. " if names else ""


def read_config(folder: Path) -> Config:
    """The settings in the configuration file of the loop's folder.

    Raises:
        BadSetting: the file cannot be read or parsed, or a setting is unknown.
    """
    return first_config(_config_bytes, str(folder))


def _config_bytes(path: str) -> bytes | None:
    if not os.path.lexists(path):
        return None
    try:
        raw = read_plain(Path(path).resolve(), MAX_CONFIG)
    except (BusFileUnreadable, OSError, RuntimeError) as error:
        raise BadSetting(
            f"{path} cannot be read: {error}.", "Fix or remove it.", anchor="settings-file"
        ) from None
    if raw is None:
        raise BadSetting(f"{path} is a broken link.", "Fix or remove it.", anchor="settings-file")
    return raw
