"""The configuration file: `.loop/config.yaml`, `.yml` or `.json`; the first that sets something.

One that sets nothing (empty, or comments alone) does not hide the next, as agent-task-runner has
it: people keep a commented-out YAML file beside the JSON file that counts.
"""

from collections.abc import Callable
from dataclasses import field

from loop_kit.core.card.documents import DocumentInvalid, read_json, read_yaml
from loop_kit.errors import BadSetting
from loop_kit.frozen import frozen
from loop_kit.settings import Layer, Values, config_values

MAX_CONFIG = 64 * 1024
NAMES = ("config.yaml", "config.yml", "config.json")


@frozen
class Config:
    """What the configuration file of a loop's folder sets.

    Attributes:
        path: Where that is set; '' when there is no such file.
        values: The settings, each under its name.
    """

    path: str = ""
    values: Values = field(default_factory=dict)

    @property
    def layer(self) -> Layer:
        """The file as a layer of the settings."""
        return self.path or "config", self.values


def first_config(read: Callable[[str], bytes | None], folder: str) -> Config:
    """What the first file in `folder` that sets something says; later ones are not looked at.

    Args:
        read: Gives the bytes of the file at a path below `folder`, or None when it is not there.
        folder: The loop's folder, as `read` and the user know it.

    Raises:
        BadSetting: the file is too long, cannot be parsed, or a setting is unknown.
    """
    silent = Config()
    for name in NAMES:
        path = f"{folder}/{name}"
        raw = read(path)
        found = Config() if raw is None else Config(path, parse_config(raw, path))
        if found.values:
            return found
        silent = silent if silent.path else found
    return silent


def parse_config(raw: bytes, name: str) -> dict[str, object]:
    """The settings in `raw`, JSON or YAML by the ending of `name`.

    Raises:
        BadSetting: it is too long, cannot be parsed, or a setting is unknown.
    """
    if len(raw) > MAX_CONFIG:
        raise BadSetting(
            f"{name}: longer than {MAX_CONFIG} bytes.", "Shorten it.", anchor="settings-file"
        )
    read = read_json if name.endswith(".json") else read_yaml
    try:
        document = read(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        sentence = f"{name}: cannot be parsed: not UTF-8 at byte {error.start}."
        raise BadSetting(sentence, "Save it as UTF-8.", anchor="settings-file") from None
    except DocumentInvalid as error:
        raise BadSetting(
            f"{name}: cannot be parsed: {error}.", error.remedy, anchor="settings-file"
        ) from None
    return config_values(document, name)
