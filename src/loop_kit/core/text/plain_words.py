"""Commit messages and titles, whose words act on a forge although nobody put a post there.

There is no code span in them, so what would act is taken apart by a space, and what somebody else
would be named for is dropped. Mentions, references to issues here and elsewhere (`#1`, `GH-1`,
`!1`, `octo/demo#1`, addresses), marks that switch CI off, sign-offs and co-authors do nothing any
more. What is plain already stays as it is, to the byte: the same text is never changed twice.
"""

import re
from collections.abc import Sequence

from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.patterns import late_pattern

MAX_SUBJECT = 200
MAX_MESSAGE = 10_000
_EMPTY = "(no message)"
_UNTITLED = "(no title)"

_ACTS = late_pattern(r"@(?=[A-Za-z0-9])|#(?=\w)|(?<!\w)!(?=\d)")
_NUMBERED = late_pattern(r"\b(GH)-(?=\d)", re.IGNORECASE)
ACTING_PATH = (
    r"/(?:issues?|pulls?|discussions?|commits?|compare|merge_requests|work_items|milestones?)"
    r"(?:/|$)"
)
"""What the address has of something that a forge would tell of being named."""
_ADDRESS = late_pattern(rf"(https?:|www\.)(?=\S{{0,300}}{ACTING_PATH})", re.IGNORECASE)
_SWITCH = late_pattern(r"\[[^\[\]\n]*(?:skip|no[ _-]?ci)", re.IGNORECASE)
_STARRED = late_pattern(r"(?<!\*)\*+(?=no_ci)", re.IGNORECASE)
_KEY = (
    r"[ \t]{0,20}(?:[a-z][a-z0-9-]{0,40}-by|cc|change-id|on-behalf-of|release-as|skip-checks"
    r"|loop-(?:id|round|role|backend|model))"
    r"[ \t]{0,20}:"
)
_TRAILER = late_pattern(rf"^{_KEY}.*\n?", re.IGNORECASE | re.MULTILINE)
_KEYS = late_pattern(rf"(?:{_KEY})+", re.IGNORECASE)
_BLANK = late_pattern(r"\n{3,}")
_ROUND = str.maketrans("[]", "()")
_SEPARATORS = str.maketrans("\u2028\u2029", "\n\n")


def commit_message(text: str, trailers: Sequence[str] = ()) -> str:
    """The message of a commit, of bounded length, that does nothing but describe it.

    `trailers` are its last lines; it has no others.
    """
    words = without_trailers(visible(text).translate(_SEPARATORS))
    words = _BLANK.sub("\n\n", _apart(words)).strip()
    subject, end, rest = words.partition("\n")
    words = f"{_cut(subject, MAX_SUBJECT)}{end}{rest}"
    lines = "".join(f"{line}\n" for line in trailers)
    return f"{_cut(words, MAX_MESSAGE) or _EMPTY}\n" + (f"\n{lines}" if lines else "")


def title(text: str, limit: int = MAX_SUBJECT) -> str:
    """A title on one line that does nothing but name what it is of."""
    line = one_line(text, limit)
    keys = _KEYS.match(line)
    return one_line(_apart(line[keys.end() :] if keys else line), limit) or _UNTITLED


def squashed(text: str) -> str:
    """`text` for a post that a forge may make the message of a commit of."""
    return without_switches(without_trailers(text))


def without_trailers(text: str) -> str:
    """`text` without the lines in which somebody signs, or something is switched."""
    return _TRAILER.sub("", text)


def without_switches(text: str) -> str:
    """`text` in which nothing switches CI off: square brackets are round ones where one does."""
    plain = _STARRED.sub("", text)
    return plain.translate(_ROUND) if _SWITCH.search(plain) else plain


def _apart(text: str) -> str:
    words = _ADDRESS.sub(r"\1 ", without_switches(text))
    return _ACTS.sub(r"\g<0> ", _NUMBERED.sub(r"\1 ", words))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
