"""The command that resumes a run, from the command that started it.

Which run it was to be (`--reset`, `--single-round`, `--round`) contradicts `--resume`, and what was
decided then (`--waive`) is decided; every other word stays, so that the same agents continue in the
same way.
"""

from collections.abc import Sequence
from itertools import islice

SWITCHES = frozenset(
    {
        *("--resume", "--reset", "--single-round", "--auto-dispatch", "--manual"),
        *("--refresh-card", "--require-heartbeat", "--allow-dirty", "--verbose", "--help"),
    }
)
"""The options of `loop run` that take no value: the word after any other is its value."""

_WHICH_RUN = {
    *("--resume", "--refresh-card", "--reset", "--single-round", "--round"),
    *("--waive", "--dismiss", "--require"),
}


def resume_words(argv: Sequence[str], more: Sequence[str] = ()) -> list[str]:
    """The words `argv` of a `loop run` with the options `more`, so that they resume the run."""
    replaced = _WHICH_RUN | {word for word in more if word.startswith("--")}
    resumed: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            return [*resumed, *more, "--resume", word, *words]
        name, assigned, _ = word.partition("=")
        alone = bool(assigned) or name in SWITCHES or not name.startswith("--")
        option = [word] if alone else [word, *islice(words, 1)]
        resumed += option if name not in replaced else []
    return [*resumed, *more, "--resume"]
