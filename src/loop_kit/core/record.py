"""What every record shares, and how a record that does not fit is explained to a person.

A record is frozen: a transition makes a new one. Models are built on first use, because the
commands people type most often (`status`, `--help`) must not wait for schemas they never touch.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError, to_json

_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


class Record(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ExtensibleRecord(BaseModel):
    """A frozen record inside a state: unknown keys survive, a newer program may have set them."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


def _require_encodable(text: str) -> str:
    if _UNUSABLE.search(text):
        raise ValueError("holds a NUL or half of a surrogate pair")
    return text


def _require_non_blank(text: str) -> str:
    if not _require_encodable(text).strip():
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, AfterValidator(_require_encodable)]
"""Text that every file system, encoder and argument list can carry."""

NonBlankText = Annotated[str, AfterValidator(_require_non_blank)]
"""`Text` that is not blank."""


def clean_text(value: object) -> str:
    """`value`, which an agent or a person wrote, as text that can be stored and posted."""
    text = value if isinstance(value, str) else "" if value is None else _as_json(value)
    return _UNUSABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def encode_json(document: object) -> bytes:
    """`document` as every file is written: JSON, UTF-8, two spaces.

    The encoder of pydantic takes a tenth of the time that Python's own takes to indent.
    """
    try:
        return to_json(document, indent=2) + b"\n"
    except PydanticSerializationError:  # half of a surrogate pair
        import json

        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        return text.encode(errors="replace")


class RowEncoder:
    """Encodes one version of a record after another, as `encode_json` does, without what is empty.

    The rows in its fields `names` become more and more, and most stay the same objects: of those
    that the last version had in the same place nothing is encoded again.
    """

    def __init__(self, names: Iterable[str], *, in_lines: bool = False) -> None:
        """With `in_lines` each row is one line, which takes a quarter less."""
        self._encode_row = _line if in_lines else _row
        self._rows: dict[str, tuple[BaseModel, ...]] = dict.fromkeys(names, ())
        self._encoded: dict[str, list[bytes]] = {name: [] for name in self._rows}

    def encode(self, record: BaseModel) -> bytes:
        """The record as JSON."""
        rest = record.model_copy(update=dict.fromkeys(self._rows, ()))
        parts = [b"{"]
        for name, value in rest.model_dump(mode="json", exclude_none=True).items():
            rows = self._encode_rows(name, getattr(record, name)) if name in self._rows else None
            if rows:
                parts += b"\n  ", _indented(name, 2), b": [\n    ", *_joined(rows), b"\n  ]", b","
            elif value not in ("", [], {}, ()):
                parts += b"\n  ", _indented(name, 2), b": ", _indented(value, 2), b","
        parts[-1:] = [b"\n}\n"] if len(parts) > 1 else [b"{\n  \n}\n"]
        return b"".join(parts)

    def _encode_rows(self, name: str, rows: tuple[BaseModel, ...]) -> list[bytes]:
        last = zip(rows, self._rows[name], self._encoded[name], strict=False)
        encode = self._encode_row
        encoded = [known if row is before else encode(row) for row, before, known in last]
        encoded += map(encode, rows[len(encoded) :])
        self._rows[name], self._encoded[name] = rows, encoded
        return encoded


def _joined(rows: Sequence[bytes]) -> list[bytes]:
    """Rows with what is between them: a long state is copied once, when all of it is joined."""
    parts = [b",\n    "] * (2 * len(rows) - 1)
    parts[::2] = rows
    return parts


def _row(row: BaseModel) -> bytes:
    return _indented(row.model_dump(mode="json", exclude_none=True), 4)


def _line(row: BaseModel) -> bytes:
    document = row.model_dump(mode="json", exclude_none=True)
    try:
        return to_json(document)
    except PydanticSerializationError:  # half of a surrogate pair
        return _as_json(document).encode(errors="replace")


def _indented(document: object, spaces: int) -> bytes:
    return encode_json(document)[:-1].replace(b"\n", b"\n" + b" " * spaces)


def _as_json(value: object) -> str:
    import json

    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "(nested too deeply)"


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known key nearest to `name`, or lists them all.

    Returns:
        "Did you mean 'goal'?" or "Known are: a, b."
    """
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(name.replace("-", "_").lower(), names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known are: {', '.join(names)}."


def explain(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """The first thing wrong in `error`, as a sentence without a full stop, and a remedy."""
    found = error.errors(include_url=False)
    # A misspelt required key is both unknown and missing: the first of the two helps.
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    path = [part for part in first["loc"] if part != "function-after"]
    where = ".".join(str(part) for part in path) or "the document"
    kind = str(first["type"])
    if kind == "extra_forbidden":
        holder = _model_at(model, path[:-1])
        return f"unknown key {where!r}", suggestion(str(path[-1]), holder.model_fields)
    if kind == "missing":
        return f"{where!r} is missing", f"Add {where!r}."
    return f"{where!r}: {_expectation(kind, first)}", _remedy(kind, first, where)


def has_unknown_key(error: ValidationError) -> bool:
    """Whether `explain` names a key that the model does not know."""
    return any(each["type"] == "extra_forbidden" for each in error.errors(include_url=False))


_FORMS = (
    (("int_type", "int_parsing", "int_from_float"), "a whole number such as 3"),
    (("float_type", "float_parsing"), "a number such as 1.5"),
    (("bool_type", "bool_parsing"), "true or false"),
    (("string_type",), "text, in quotes where it looks like a number"),
    (("tuple_type", "list_type"), 'a list, such as ["one", "two"]'),
    (("dict_type", "model_type"), "a mapping, one `key: value` on each line"),
)
_BOUNDS = (
    ("greater_than_equal", "ge", "{} or more"),
    ("greater_than", "gt", "more than {}"),
    ("less_than_equal", "le", "{} or less"),
    ("less_than", "lt", "less than {}"),
)


def _remedy(kind: str, first: Any, where: str) -> str:
    given = first.get("input")
    if kind in {"tuple_type", "list_type"} and isinstance(given, str) and len(given) <= 100:
        return f"Write it as a list: {_as_json([given])}."
    for kinds, form in _FORMS:
        if kind in kinds:
            return f"Give {where!r} {form}."
    for name, key, words in _BOUNDS:
        if kind == name:
            return f"Give {where!r} {words.format(format(first['ctx'][key], 'g'))}."
    if kind == "literal_error":
        return f"Give {where!r} one of {first['ctx']['expected']}."
    return f"Change {where!r} so that this holds, or leave it out."


def _expectation(kind: str, first: Any) -> str:
    got = type(first.get("input")).__name__
    wanted = {
        "string_type": "must be text",
        "tuple_type": "must be a list",
        "list_type": "must be a list",
        "dict_type": "must be a mapping",
        "model_type": "must be a mapping",
        "int_type": "must be a whole number",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_type": "must be a number",
        "float_parsing": "must be a number",
        "bool_type": "must be true or false",
        "bool_parsing": "must be true or false",
    }.get(kind)
    if wanted:
        return f"{wanted}, got {got}"
    message: str = first["msg"]
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _model_at(model: type[BaseModel], path: list[Any]) -> type[BaseModel]:
    """The nested model that `path` leads to, as far as the annotations show."""
    for part in path:
        if not isinstance(part, str) or part not in model.model_fields:
            continue
        found = _models_in(model.model_fields[part].annotation)
        if not found:
            break
        model = found[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]
