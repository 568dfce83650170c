"""The configuration file: `.loop/config.yaml`, `.yml` or `.json`, parsed and checked."""

from loop_kit.core.documents import read_json, read_yaml
from loop_kit.errors import BadSetting
from loop_kit.settings import config_values

MAX_CONFIG = 64 * 1024
NAMES = ("config.yaml", "config.yml", "config.json")


def parse_config(raw: bytes, name: str) -> dict[str, object]:
    """The settings in `raw`, JSON or YAML by the ending of `name`.

    Raises:
        BadSetting: it is too long, cannot be parsed, or a setting is unknown.
    """
    if len(raw) > MAX_CONFIG:
        raise BadSetting(f"{name}: longer than {MAX_CONFIG} bytes.", "Shorten it.")
    read = read_json if name.endswith(".json") else read_yaml
    try:
        document = read(raw.decode("utf-8-sig"))
    except ValueError as error:
        raise BadSetting(f"{name}: cannot be parsed: {error}.", "Correct it.") from None
    return config_values(document, name)
