r"""The forms in which a known secret can be in text: as it is, encoded, or in pieces.

Texts are compared by their ASCII letters and digits alone, without case. So one comparison finds a
secret in quotes that are joined by plus signs, on several lines, with zero-width characters in it,
in UTF-16, and base64 of both alphabets. For a second one escapes are resolved: `%73`, `\x73`,
`\u0073`, `&#115;`.

A long part of a secret counts too, if it is from a random piece of it: not from words, nor from the
beginning that all keys of a kind have. To find parts in linear time, the text is cut into blocks of
eight bytes, and each is looked up among the blocks of all forms at every place.
"""

import base64
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from loop_kit.core.secrets.values import secrets_in
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

LONG_PART = 16
"""The characters of a part of a secret that nobody writes by chance, whatever it is part of."""
_BLOCK = 8
_SHORTEST_FORM = 10
_SHORTEST_PLAIN = 12
_LOWER = bytes(range(256)).lower()
_OTHERS = bytes(b for b in range(256) if not (b < 128 and chr(b).isalnum()))

_PUBLIC = late_pattern(
    rb"gh[oprsu]_|github_pat_|sk-ant-[a-z]{3,6}[0-9]{2}-|sk-(?:proj|svcacct|admin)-|sk-|xox[a-z]-"
    rb"|glpat-|npm_|pypi-AgEIcHlwaS5vcmc|AKIA|ASIA|AIza"
)
_TOKEN = late_pattern(rb"[A-Za-z0-9_+/=-]{16,}")
_GAP = late_pattern(rb"[^A-Za-z0-9_+/=.-]")
_ESCAPE = late_pattern(
    rb"[%\\&](?:(?<=%)([2-7][0-9a-fA-F])|(?<=\\)(?:u00|x)([2-7][0-9a-fA-F])"
    rb"|(?<=&)#0{0,4}(?:[xX]([2-7][0-9a-fA-F])|([0-9]{2,3}));)"
)


def squash(data: bytes) -> bytes:
    """The ASCII letters and digits of `data`, in lower case."""
    return data.translate(_LOWER, _OTHERS)


@dataclass(frozen=True, slots=True)
class Form:
    """One encoding of one secret.

    Attributes:
        name: What the secret is called.
        encoding: In words; '' for none.
        text: Its letters and digits.
        ratio: How many characters each one of the secret becomes.
        random: The ranges of `text` that are random enough for a part of them to count.
    """

    name: str
    encoding: str
    text: bytes = field(repr=False)
    ratio: float
    random: tuple[tuple[int, int], ...] = ()


@frozen
class Found:
    """A range of a text that holds a secret, or a part of one."""

    start: int
    end: int
    name: str
    encoding: str


def forms(name: str, secret: bytes) -> Iterator[Form]:
    """Every form of one secret that is looked for."""
    pieces = list(_random_pieces(secret))

    def simple(encoding: str, ratio: float, encode: Callable[[bytes], bytes]) -> Form:
        text = encode(secret)
        ends = ((len(encode(secret[:a])), len(encode(secret[:b]))) for a, b in pieces)
        return Form(name, encoding, text, ratio, tuple(ends))

    yield simple("", 1, squash)
    yield simple("hex", 2, lambda data: data.hex().encode())
    yield simple("hex", 4, lambda data: b"".join(b"0x%02x" % byte for byte in data))
    yield simple("decimal", 3, lambda data: b"".join(b"%d" % byte for byte in data))
    for offset in range(3):
        yield _base64(name, secret, offset, pieces)


def _base64(name: str, secret: bytes, offset: int, pieces: list[tuple[int, int]]) -> Form:
    """The characters of base64 that only the secret decides, `offset` bytes after a boundary."""
    first = -(-offset * 8 // 6)
    core = base64.b64encode(b"\0" * offset + secret)[first : (offset + len(secret)) * 8 // 6]

    def place(at: int) -> int:
        return len(squash(core[: max(0, -(-(at + offset) * 8 // 6) - first)]))

    random = tuple((place(a), place(b)) for a, b in pieces)
    return Form(name, "base64", squash(core), 4 / 3, random)


def _random_pieces(secret: bytes) -> Iterator[tuple[int, int]]:
    """Where a secret is random: no words, and not the beginning that all keys of a kind have."""
    for found in _TOKEN.finditer(secret):
        public = _PUBLIC.match(found[0])
        piece = found[0][public.end() :] if public else found[0]
        has_digit, has_letter = re.search(rb"[0-9]", piece), re.search(rb"[A-Za-z]", piece)
        if has_digit and has_letter and not piece.startswith(b"eyJ"):
            yield found.end() - len(piece), found.end()


class Forms:
    """The forms of all known secrets, ready to be looked for."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets` are values by the name under which they are reported."""
        self.secrets = tuple(
            (name, each.encode("utf-8", "surrogateescape"))
            for name, value in secrets.items()
            for each in secrets_in(value)
        )
        every = [form for name, secret in self.secrets for form in forms(name, secret)]
        self._forms = [form for form in every if len(form.text) >= _least(form)]
        self._blocks: dict[int, tuple[Form, int]] = {}
        for form in self._forms:
            for at in _block_starts(form):
                block = block_number(form.text[at : at + _BLOCK])
                self._blocks.setdefault(block, (form, at))
        self._known = frozenset(self._blocks)

    @cached_property
    def longest(self) -> int:
        """The bytes of the longest form."""
        lengths = [*(len(form.text) for form in self._forms), *(len(v) for _, v in self.secrets)]
        return max(lengths, default=0)

    def find(self, data: bytes, part: int) -> list[Found]:
        """Where `data` holds a secret, or `part` characters of one or more, in any form."""
        if not self.secrets:
            return []
        found = [
            Found(at, at + len(value), name, "")
            for name, value in self.secrets
            for at in _occurrences(data, value)
        ]
        found += self._find_squashed(data, part, None)
        if _ESCAPE.search(data):
            escapes = _Escapes(data)
            found += self._find_squashed(escapes.resolved, part, escapes)
        return found

    def _find_squashed(self, data: bytes, part: int, escapes: "_Escapes | None") -> Iterator[Found]:
        text = squash(data)
        spans = [*self._wholes(text), *self._parts(text, part)]
        if not spans:
            return
        places = _Places(data)
        for start, end, form in spans:
            first, last = places.at(start), places.at(end - 1)
            encoding = form.encoding or ("in pieces" if _GAP.search(data, first, last) else "")
            if escapes is not None:
                first, last = escapes.start(first), escapes.end(last) - 1
                encoding = form.encoding or "escaped"
            yield Found(first, last + 1, form.name, encoding)

    def _wholes(self, text: bytes) -> Iterator[tuple[int, int, Form]]:
        for form in self._forms:
            for at in _occurrences(text, form.text):
                yield at, at + len(form.text), form

    def _parts(self, text: bytes, part: int) -> Iterator[tuple[int, int, Form]]:
        for shift in (0,) if part >= 2 * _BLOCK - 1 else (0, _BLOCK // 2):
            size = (len(text) - shift) // _BLOCK * _BLOCK
            if size <= 0:
                continue
            blocks = memoryview(text)[shift : shift + size].cast("Q")
            if self._known.isdisjoint(blocks):
                continue
            end = 0
            for number, block in enumerate(blocks):
                at = shift + number * _BLOCK
                if at < end or block not in self._known:
                    continue
                form, inside = self._blocks[block]
                start, end = extend(text, at, form.text, inside)
                if end - start >= max(part * form.ratio, _least(form)):
                    yield start, end, form


def block_number(block: bytes) -> int:
    """Eight bytes as `memoryview.cast` reads them."""
    return memoryview(block).cast("Q")[0]


def _least(form: Form) -> int:
    """The length from which a form can be no accident."""
    return _SHORTEST_FORM if form.encoding else _SHORTEST_PLAIN


def _block_starts(form: Form) -> Iterator[int]:
    for start, end in form.random:
        for at in range(start, end - _BLOCK + 1):
            if form.encoding or re.search(rb"[0-9]", form.text[at : at + _BLOCK]):
                yield at


def _occurrences(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + len(wanted))


def extend(text: bytes, at: int, form: bytes, inside: int) -> tuple[int, int]:
    """The longest range around `at` that is as `form` is around `inside`."""
    back = 0
    while back < min(at, inside) and text[at - back - 1] == form[inside - back - 1]:
        back += 1
    on, most = _BLOCK, min(len(text) - at, len(form) - inside)
    while on < most and text[at + on] == form[inside + on]:
        on += 1
    return at - back, at + on


class _Places:
    """Where the letters and digits of a text are in it."""

    def __init__(self, data: bytes) -> None:
        self._places = array("I", (found.start() for found in re.finditer(rb"[A-Za-z0-9]", data)))

    def at(self, number: int) -> int:
        """Where the letter or digit with that number is."""
        return self._places[number]


class _Escapes:
    """A text whose escapes are resolved, and where its bytes were before."""

    def __init__(self, data: bytes) -> None:
        self._starts, self._before, self._lengths = [0], [0], [0]
        pieces, copied, size = [], 0, 0
        for found in _ESCAPE.finditer(data):
            value = _value(found)
            pieces += [data[copied : found.start()], bytes([value])]
            size += found.start() - copied
            self._starts += [size, size + 1]
            self._before += [found.start(), found.end()]
            self._lengths += [found.end() - found.start(), 0]
            size += 1
            copied = found.end()
        self.resolved = b"".join([*pieces, data[copied:]])

    def start(self, at: int) -> int:
        """Where what is at `at` began."""
        number = bisect_right(self._starts, at) - 1
        return self._before[number] + at - self._starts[number]

    def end(self, at: int) -> int:
        """Where what is at `at` ended."""
        number = bisect_right(self._starts, at) - 1
        length = self._lengths[number] or at - self._starts[number] + 1
        return self._before[number] + length


def _value(found: "re.Match[bytes]") -> int:
    *hexadecimal, decimal = found.groups()
    return min(int(decimal), 255) if decimal else int(next(filter(None, hexadecimal)), 16)


def unnamed(secrets: Iterable[str]) -> Mapping[str, str]:
    """Secrets whose names do not matter."""
    return {str(number): secret for number, secret in enumerate(secrets)}
