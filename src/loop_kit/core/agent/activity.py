"""What an agent did, as its backend's stream reports it: one tidy line, and the kind of work.

Every backend names its tools and events differently; a person who watches, and the metrics, want
the same few words for all of them. Streams are not trusted: any shape of value is looked at.
"""

from collections.abc import Mapping, Sequence

from loop_kit.core.agent.category import Category
from loop_kit.frozen import frozen

_MAX_NAMES = 3
_MAX_DEPTH = 10
_MAX_TEXT = 10_000


@frozen
class Activity:
    """One action or message of an agent, raw and untrusted.

    `category` is set once per piece of work, when it begins; of a message it is None. `begins`
    marks work that is not finished: its end follows as another activity with the same text.
    """

    verb: str
    text: str
    category: Category | None = None
    begins: bool = False

    @property
    def line(self) -> str:
        """The line to display."""
        return f"{self.verb}: {self.text}" if self.verb else self.text

    @property
    def is_message(self) -> bool:
        """Whether the agent wrote it; a repeated message is displayed again."""
        return self.verb == "Message"


def message(payload: object) -> Sequence[Activity]:
    """A message of an agent: text, or whatever lists and objects its backend wraps text into."""
    text = _flatten(payload, _MAX_DEPTH).strip()
    return (Activity("Message", text[:_MAX_TEXT]),) if text else ()


def session(id_: str) -> Sequence[Activity]:
    """The conversation that the agent works in."""
    return (Activity("Session", id_),) if id_ else ()


def command(value: object, *, begins: bool = False) -> Sequence[Activity]:
    """A shell command, as text or as a list of words."""
    from loop_kit.core.agent.shell import category, displayed_files, unwrap

    text = unwrap(value)
    if not text:
        return ()
    read = displayed_files(text)
    verb, detail = ("Reading", _names(read)) if read else ("Running", text)
    return (Activity(verb, detail, category(text), begins=begins),)


def edit(paths: Sequence[str], *, begins: bool = False) -> Sequence[Activity]:
    """Files that were changed."""
    return (Activity("Editing", _names(paths), "edit", begins=begins),) if paths else ()


def tool(name: str, given: object, root: str = "") -> Sequence[Activity]:
    """A call of one of an agent's tools; paths below `root` are displayed relative to it."""
    values = given if isinstance(given, Mapping) else {}
    kind = _TOOLS.get(name.lower().replace("_", ""))
    if kind is None:
        return (Activity("Tool", name, "unknown"),) if name else ()
    verb, keys, sort = kind
    value = next((values[key] for key in keys if values.get(key)), "")
    if verb == "Running":
        return command(value) or (Activity(verb, name, "unknown"),)
    text = str(value)[:_MAX_TEXT]
    prefix = f"{root}/"
    return (Activity(verb, text.removeprefix(prefix) or name, sort),)


_PATHS = ("file_path", "filePath", "path", "notebook_path")
_Kind = tuple[str, tuple[str, ...], Category]
_READ: _Kind = ("Reading", _PATHS, "read")
_EDIT: _Kind = ("Editing", _PATHS, "edit")
_WRITE: _Kind = ("Writing", _PATHS, "edit")
_RUN: _Kind = ("Running", ("command",), "unknown")
_SEARCH: _Kind = ("Searching", ("pattern", "query", "path"), "search")
_FETCH: _Kind = ("Fetching", ("url", "query"), "search")
_TOOLS: Mapping[str, _Kind] = {
    **dict.fromkeys(("read", "readfile", "notebookread"), _READ),
    **dict.fromkeys(("edit", "multiedit", "editfile", "notebookedit", "patch"), _EDIT),
    **dict.fromkeys(("write", "writefile"), _WRITE),
    **dict.fromkeys(("bash", "shell"), _RUN),
    **dict.fromkeys(("glob", "grep", "list", "ls"), _SEARCH),
    **dict.fromkeys(("webfetch", "websearch", "fetch"), _FETCH),
}


def _names(paths: Sequence[str]) -> str:
    """The files' last parts, with as many folders as distinguishes them."""
    unique = list(dict.fromkeys(path.replace("\\", "/") for path in paths))
    names = [_shorten(path, unique) for path in unique[:_MAX_NAMES]]
    more = len(unique) - len(names)
    return ", ".join(names) + (f" (+{more} more)" if more > 0 else "")


def _shorten(path: str, others: Sequence[str]) -> str:
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        tail = parts[-count:]
        if sum(other.split("/")[-count:] == tail for other in others) == 1:
            return "/".join(tail)
    return path


def _flatten(payload: object, depth: int) -> str:
    if isinstance(payload, str):
        return payload
    if depth == 0:
        return ""
    parts: Sequence[object] = ()
    if isinstance(payload, Mapping):
        parts = [payload[key] for key in ("text", "content", "message", "parts") if key in payload]
    elif isinstance(payload, list):
        parts = payload[:100]
    return " ".join(filter(None, (_flatten(part, depth - 1) for part in parts)))
