"""Replaces secrets by `***`, in every form that the scanner knows.

Of a known secret any 8 characters that follow each other are replaced, and a part of that length in
one of its encodings. What is shorter than 8 characters, has fewer than 4 different ones, or is one
of the words that are set where no secret is needed (`values.ORDINARY`) is no secret: to replace it
would damage what people have to read. A part of a secret that is such a word is left, too.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from loop_kit.core.secrets.forms import (
    LONG_PART,
    Forms,
    Found,
    block_number,
    extend,
    unnamed,
)
from loop_kit.core.secrets.shapes import shapes
from loop_kit.core.secrets.values import ORDINARY, SHORTEST
from loop_kit.patterns import late_pattern

_MARK = b"***"
_BEFORE = late_pattern(rb"[A-Za-z0-9+/_-]{1,3}\Z")
_AFTER = late_pattern(rb"[A-Za-z0-9+/_-]{0,3}={0,2}")
_HELD = 2048
_ORDINARY = tuple(word.encode() for word in ORDINARY)
_TEXT = ("utf-8", "surrogatepass")


class Redactor:
    """Replaces the secrets of `forms`, parts of them, and what has the shape of a key."""

    def __init__(self, secrets: Iterable[str] | Forms) -> None:
        self._forms = secrets if isinstance(secrets, Forms) else Forms(unnamed(secrets))
        self._values = [secret for _, secret in self._forms.secrets]
        self._windows: dict[int, tuple[bytes, int]] = {}
        for value in self._values:
            starts = range(len(value) - SHORTEST + 1) if not value.split()[1:] else ()
            for at in starts:
                window = value[at : at + SHORTEST]
                if not any(window.lower() in word for word in _ORDINARY):
                    self._windows.setdefault(block_number(window), (value, at))
        self._known = frozenset(self._windows)

    def __call__(self, text: str) -> str:
        """`text` with every secret replaced."""
        data = text.encode(*_TEXT)
        clean = self.clean(data)
        return text if clean is data else clean.decode("utf-8", "replace")

    def clean(self, data: bytes) -> bytes:
        """`data` with every secret replaced; the same object if there is none."""
        spans = sorted([*self._whole(data), *self._parts(data), *self._encoded(data)])
        return _replaced(data, spans) if spans else data

    def document(self, value: Any) -> Any:
        """A JSON document with every secret in its texts replaced; the same object if none has."""
        texts = "\n".join(_texts(value))
        return value if self(texts) is texts else self._document(value)

    def _document(self, value: Any) -> Any:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, list | tuple):
            return type(value)(self._document(item) for item in value)
        if isinstance(value, dict):
            return {self(key): self._document(item) for key, item in value.items()}
        return value

    def file(self, content: bytes) -> bytes:
        """The content of a file with every secret replaced, which stays JSON if it is that."""
        clean = self.clean(content)
        if clean is content:
            return content
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return clean
        try:
            json.loads(clean)
        except ValueError:
            return (json.dumps(self.document(document), indent=2) + "\n").encode()
        return clean

    def _whole(self, data: bytes) -> Iterator[tuple[int, int]]:
        for value in self._values:
            at = data.find(value)
            while at >= 0:
                yield at, at + len(value)
                at = data.find(value, at + len(value))

    def _parts(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Parts of 8 or more bytes: each byte of the text begins a window that is looked up."""
        hits: list[int] = []
        for shift in range(SHORTEST) if self._known else ():
            size = (len(data) - shift) // SHORTEST * SHORTEST
            if size > 0:
                windows = memoryview(data)[shift : shift + size].cast("Q")
                if not self._known.isdisjoint(windows):
                    found = (n for n, window in enumerate(windows) if window in self._known)
                    hits += [shift + n * SHORTEST for n in found]
        for at in hits:
            value, inside = self._windows[block_number(data[at : at + SHORTEST])]
            yield extend(data, at, value, inside)

    def _encoded(self, data: bytes) -> Iterator[tuple[int, int]]:
        for found in self._forms.find(data, SHORTEST):
            is_base64 = found.encoding == "base64"
            yield _widened(data, found) if is_base64 else (found.start, found.end)
        yield from ((start, end) for start, end, _ in shapes(data))


def _texts(value: Any) -> Iterator[str]:
    """The texts in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _texts(item)


class StreamRedactor:
    """Replaces secrets in bytes that come in pieces of any size, in every form.

    Of a part of a secret it finds 16 characters or more: that is what can be done as fast as an
    agent prints.
    """

    def __init__(self, secrets: Iterable[str] | Forms) -> None:
        self._forms = secrets if isinstance(secrets, Forms) else Forms(unnamed(secrets))
        self._hold = max(_HELD, 4 * self._forms.longest)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on; as much as may be the beginning of a secret is held back."""
        whole = self._held + data
        if len(whole) < 2 * self._hold:
            self._held = whole
            return b""
        spans = self._find(whole)
        end = max(0, len(whole) - self._hold)
        for start, stop in reversed(spans):
            if start < end < stop:
                end = start
        self._held = whole[end:]
        return _replaced(whole[:end], [span for span in spans if span[1] <= end])

    def end(self) -> bytes:
        """What was held back."""
        rest, self._held = self._held, b""
        return _replaced(rest, self._find(rest))

    def _find(self, data: bytes) -> list[tuple[int, int]]:
        known = ((found.start, found.end) for found in self._forms.find(data, LONG_PART))
        return sorted([*known, *((start, end) for start, end, _ in shapes(data))])


def _widened(data: bytes, found: Found) -> tuple[int, int]:
    """A range of base64 with the characters beside it, which hold some bits of the secret too."""
    before = _BEFORE.search(data, max(0, found.start - 3), found.start)
    after = _AFTER.match(data, found.end)
    return before.start() if before else found.start, after.end() if after else found.end


def _replaced(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """`data` with these ranges, in order, replaced; those that overlap by one mark."""
    pieces, copied, last = [], 0, -1
    for start, end in spans:
        if start >= last:
            pieces += [data[copied : max(start, copied)], _MARK]
        copied = last = max(end, last)
    return b"".join([*pieces, data[copied:]])
