"""Finds and reads the files a person writes for a local run: the card and the configuration."""

import json
from pathlib import Path

from loop_kit.core import bus
from loop_kit.core.task import MINIMAL_CARD, TaskCard, parse_card
from loop_kit.errors import BadCard, BadSetting
from loop_kit.settings import config_values

_MAX_CONFIG = 64 * 1024
_SUFFIXES = ("json", "yml", "yaml")


def find_card(cwd: Path, folder: Path, task: str) -> Path:
    """The card that `task` means: a file, the id of a card in `tasks/`, or '' for the default."""
    if not task:
        return folder / bus.TASK_CARD
    given = cwd / task
    if given.is_file():
        return given
    tasks = folder / "tasks"
    if tasks.is_dir():
        named = [tasks / f"{task}.{suffix}" for suffix in _SUFFIXES]
        listed = sorted(path for path in tasks.iterdir() if path.suffix[1:] in _SUFFIXES)
        found = [path for path in named if path.is_file()]
        found += [path for path in listed if path.name.startswith(f"{task}-")]
        if found:
            return found[0]
    return given


def load_card(path: Path) -> TaskCard:
    """The card in the file at `path`.

    Raises:
        BadCard: it is missing, unreadable or wrong.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadCard(
            f"The task card {path} was not found.",
            f"Write one there, or name it with --task. A minimal card:\n{MINIMAL_CARD}",
        ) from None
    except OSError as error:
        raise BadCard(
            f"The task card {path} cannot be read: {error.strerror}.", "Make it readable."
        ) from None
    return parse_card(raw, str(path))


def read_config(folder: Path) -> dict[str, object]:
    """The settings in `config.yaml`, `config.yml` or `config.json`, or none.

    Raises:
        BadSetting: the file cannot be parsed, or a setting is unknown.
    """
    for name in ("config.yaml", "config.yml", "config.json"):
        path = folder / name
        if path.is_file():
            return parse_config(path.read_bytes()[: _MAX_CONFIG + 1], str(path))
    return {}


def parse_config(raw: bytes, name: str) -> dict[str, object]:
    """The settings in `raw`, JSON or YAML by the ending of `name`.

    Raises:
        BadSetting: it is too long, cannot be parsed, or a setting is unknown.
    """
    if len(raw) > _MAX_CONFIG:
        raise BadSetting(f"{name}: longer than {_MAX_CONFIG} bytes.", "Shorten it.")
    import yaml

    try:
        text = raw.decode("utf-8-sig")
        document = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())[:200]
        raise BadSetting(f"{name}: cannot be parsed: {detail}.", "Correct it.") from None
    return config_values(document, name)
