"""Writes many small commits with one `git fast-import`."""

from collections.abc import Mapping, Sequence

from loop_kit.adapters.git.command import Git, Identity
from loop_kit.frozen import frozen

_LAST = ":1"
"""The mark of the newest commit of a script."""


@frozen
class Transition:
    """One transition as a commit: the files that it changes (None removes one), and the state."""

    subject: str
    state: bytes
    files: Mapping[str, bytes | None]


def write_commits(
    git: Git, ref: str, transitions: Sequence[Transition], parent: str, identity: Identity
) -> str:
    """Write one commit per transition on top of `parent`, '' for none; returns the new tip.

    `ref` is a local ref of the caller's own.
    """
    if not transitions:
        return parent
    who = f"{identity} now"
    script = b"".join(
        _commit(ref, transition, who, parent if n == 0 else None)
        for n, transition in enumerate(transitions)
    )
    command = ("fast-import", "--quiet", "--force", "--done", "--date-format=now")
    done = git.run(*command, stdin=script + f"get-mark {_LAST}\ndone\n".encode())
    return done.out.decode("ascii").strip()


def _commit(ref: str, transition: Transition, who: str, parent: str | None) -> bytes:
    """One commit in the language of fast-import; `parent` None means the one before it."""
    out = f"reset {ref}\n\n".encode() if parent == "" else b""
    out += f"commit {ref}\nmark {_LAST}\ncommitter {who}\n".encode()
    out += _data(transition.subject.encode())
    out += f"from {parent}\n".encode() if parent else b""
    for name, content in sorted(transition.files.items()):
        if content is None:
            out += f"D {name}\n".encode()
        else:
            out += f"M 100644 inline {name}\n".encode() + _data(content)
    return out + b"\n"


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"
