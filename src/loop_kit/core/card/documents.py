"""JSON and YAML from people: parsed, or explained in one sentence; never a traceback.

YAML from a stranger may not grow while it is read. The parser follows merge keys and aliases of
aliases, so that 400 bytes become gigabytes, and looks at every open bracket again for each token.
A task card needs neither.
"""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

_MAX_OPEN = 40


class DocumentInvalid(ValueError):
    """The text is not JSON or YAML we read; the message is a phrase without a full stop."""

    remedy = "Correct what is at that place; an editor that knows the format shows it."


class _Empty(DocumentInvalid):
    remedy = "Write something in it, or remove it."


def read_document(text: str, name: str) -> Any:
    """The document in `text`: YAML when the suffix of `name` is `yml` or `yaml`, else JSON.

    Raises:
        DocumentInvalid: see `read_json` and `read_yaml`.
    """
    is_yaml = name.lower().rpartition(".")[2] in {"yml", "yaml"}
    return read_yaml(text) if is_yaml else read_json(text)


def read_json(text: str) -> Any:
    """The JSON document in `text`.

    Raises:
        DocumentInvalid: it is not JSON, nested too deeply, or has a number nobody can use.
    """
    if not text.strip():
        raise _Empty("invalid JSON: it is empty")
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except (ValueError, RecursionError) as error:
        raise DocumentInvalid(f"invalid JSON: {_detail(error)}") from None


def read_yaml(text: str) -> Any:
    """The YAML document in `text`.

    Raises:
        DocumentInvalid: it is not YAML, has an alias, is nested too deeply, or a tag does not fit.
    """
    import yaml

    excess = _excess(text)
    if excess:
        raise DocumentInvalid(f"invalid YAML: {excess}")
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:
        raise DocumentInvalid(f"invalid YAML: {_detail(error)}") from None
    try:
        document = loader.get_single_node()
        _require_single_keys(document)
        return None if document is None else loader.construct_document(document)
    except DocumentInvalid:
        raise
    except yaml.YAMLError as error:
        raise DocumentInvalid(f"invalid YAML: {_detail(error)}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise DocumentInvalid("invalid YAML: a tag does not fit its value") from None
    finally:
        loader.dispose()


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON document; of a key given twice nobody knows which value is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise DocumentInvalid(_twice(next(name for name in names if names.count(name) > 1)))
    return found


def _require_single_keys(document: "yaml.Node | None") -> None:
    """Refuse a key that any mapping of a YAML document has twice."""
    import yaml

    left = [document]
    while left:
        node = left.pop()
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        names = set()
        for key, value in node.value:
            left += (key, value)
            if isinstance(key, yaml.ScalarNode):
                name = (key.tag, key.value)
                if name in names:
                    raise DocumentInvalid(f"invalid YAML: {_twice(key.value)}")
                names.add(name)


def _twice(name: str) -> str:
    return f"the key {name[:100]!r} is given twice"


def _excess(text: str) -> str | None:
    """Why this YAML must not be parsed; what the scanner cannot read is left to the parser."""
    import yaml

    opening = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
    closing = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
    depth = 0
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):
                return "aliases (*name) are not taken"
            depth += isinstance(token, opening) - isinstance(token, closing)
            if depth > _MAX_OPEN:
                return "nested too deeply"
    except (yaml.YAMLError, ValueError, ArithmeticError):
        return None
    return None


def _detail(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        said = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
        return " ".join(said.split())[:200]
    return " ".join(str(error).split())[:200]
