"""Lists the files below a tree through a git process that stays, however many folders there are.

Git is asked what the tree has that an empty one has not.
"""

import hashlib
from collections.abc import Callable, Sequence

from loop_kit.adapters.git.history import NotPlain
from loop_kit.adapters.git.patches import pieces_until, unknown_line
from loop_kit.adapters.process.dialogue import Dialogue, DialogueEnded, read_line

_COMMAND = ("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-renames", "--no-relative")
_TIMEOUT = 120
_SHA1_LENGTH = 40
_EMPTY = b"tree 0\0"


class TreeNames:
    """The paths of files in one repository; `start` starts git there."""

    def __init__(self, start: Callable[..., Dialogue]) -> None:
        self._start = start
        self._started: Dialogue | None = None

    def list(self, tree: str) -> Sequence[str]:
        """The paths of all files below the tree of this id, in git's order.

        Raises:
            NotPlain: git cannot list them, because a folder is not here or is damaged.
        """
        hashed = hashlib.sha1 if len(tree) == _SHA1_LENGTH else hashlib.sha256
        pair = f"{hashed(_EMPTY, usedforsecurity=False).hexdigest()} {tree}".encode()
        end = unknown_line()
        dialogue = self._started or self._start(*_COMMAND)
        self._started = dialogue
        try:
            with dialogue.ask(b"%s\n%s" % (pair, end), _TIMEOUT) as answers:
                if read_line(answers) != pair:
                    raise EOFError
                listed = b"".join(pieces_until(answers, end))
        except DialogueEnded:
            self._started = None
            raise NotPlain from None
        return listed.decode("utf-8", "surrogateescape").split("\0")[:-1]


def is_path_on_one_line(path: str) -> bool:
    """Whether `path` can name something in a commit, and on one line."""
    return is_tree_path(path) and "\n" not in path


def is_tree_path(path: str) -> bool:
    """Whether `path` can name something in a commit."""
    return not {"", ".", ".."} & set(path.split("/")) and "\0" not in path
