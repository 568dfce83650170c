"""The configuration file: `.loop/config.yaml`, `.yml` or `.json`, parsed and checked."""

import json

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
    import yaml

    try:
        text = raw.decode("utf-8-sig")
        document = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())[:200]
        raise BadSetting(f"{name}: cannot be parsed: {detail}.", "Correct it.") from None
    return config_values(document, name)
