"""JSON and YAML from people: parsed, or explained in one sentence; never a traceback."""

import json
from typing import Any

from loop_kit.core.yaml_bounds import yaml_excess


class DocumentInvalid(ValueError):
    """The text is not what it is said to be; the message is a phrase without a full stop."""


def read_json(text: str) -> Any:
    """The JSON document in `text`.

    Raises:
        DocumentInvalid: it is not JSON, nested too deeply, or has a number nobody can use.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentInvalid(f"invalid JSON: {_detail(error)}") from None


def read_yaml(text: str) -> Any:
    """The YAML document in `text`.

    Raises:
        DocumentInvalid: it is not YAML, a tag does not fit its value, or it is made to grow.
    """
    import yaml

    excess = yaml_excess(text)
    if excess:
        raise DocumentInvalid(f"invalid YAML: {excess}")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DocumentInvalid(f"invalid YAML: {_detail(error)}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise DocumentInvalid("invalid YAML: a tag does not fit its value") from None


def _detail(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())[:200]
