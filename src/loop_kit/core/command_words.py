"""Words of a command as the shell of a system quotes and splits them."""

import re
import shlex

_PLAIN = re.compile(r"[\w@%+=:,./\\-]+", re.ASCII)


def quoted(word: str, *, windows: bool) -> str:
    """`word` as one word of a command line."""
    if not windows:
        return shlex.quote(word)
    return word if _PLAIN.fullmatch(word) else f'"{word}"'


def split_words(text: str, *, windows: bool) -> tuple[str, ...]:
    """The words of a command line; on Windows a backslash is part of a path.

    Raises:
        ValueError: a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if windows:
        lexer.escape = ""
    return tuple(lexer)
