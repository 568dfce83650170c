"""Searches what is to leave for secrets, in pieces of any size, in linear time.

Between two pieces only the end of what was read is kept: as it was, for the shapes of keys, and of
the longer part before that the letters and digits alone, for the forms of known secrets.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from loop_kit.core.secrets.forms import LONG_PART, Forms, squash
from loop_kit.core.secrets.shapes import shapes

_KEPT = 512
"""The bytes that are kept as they are; the shape of a key is recognized by fewer."""
_MOST = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret in a text: on which line it ends, what it is, and how it is encoded.

    Attributes:
        what: Words for the secret, never its value.
        digest: Equal for equal texts.
    """

    line: int
    what: str
    encoding: str = ""
    digest: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        encoded = {"": "", "in pieces": ", in pieces", "escaped": ", escaped"}
        return f"{self.what}{encoded.get(self.encoding, f', encoded as {self.encoding}')}"


def scan(forms: Forms, pieces: Iterable[bytes]) -> tuple[Leak, ...]:
    """The secrets in a text that comes in pieces; at most 20, each kind once on a line."""
    found: dict[tuple[int, str], Leak] = {}
    kept, lines = b"", 1
    for piece in pieces:
        data = kept + piece
        for start, end, what, encoding in _find(forms, data):
            if end <= len(kept) or len(found) >= _MOST:
                continue
            line = lines + data.count(b"\n", len(kept), end)
            digest = sha256(what.encode() + squash(data[start:end])).digest()
            known = found.get((line, what))
            if known is None or len(known.encoding) > len(encoding):
                found[line, what] = Leak(line, what, encoding, digest)
        lines += piece.count(b"\n")
        before = squash(data[:-_KEPT])
        kept = before[max(0, len(before) - 2 * forms.longest) :] + data[-_KEPT:]
    return tuple(sorted(found.values(), key=lambda leak: leak.line))


def _find(forms: Forms, data: bytes) -> Iterable[tuple[int, int, str, str]]:
    for known in forms.find(data, LONG_PART):
        yield known.start, known.end, f"this job's secret {known.name}", known.encoding
    for start, end, name in shapes(data):
        yield start, end, f"what looks like {name}", ""
