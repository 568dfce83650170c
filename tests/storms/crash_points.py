"""Kills a `loop` process at a named point, from outside: the product knows nothing of it.

The fork server runs `install` in the process that is about to become `loop`. Every effect of a port
is wrapped there, whatever class of the adapters implements it, and so is what these are made of:
the rename that ends an atomic write, the git commands that write, and the requests to the API. So
each effect has points before, in and after it:

    before GitStore.sync
    in GitStore.sync: git push begins        git runs, and dies with the process
    in GitStore.sync: git push is done       the server has it, and the loop does not know
    after GitStore.sync

A point is a name and how often it was passed before, counted in the main thread alone: what the
other threads do depends on time. With a trace, the points are listed; with a place to die at, the
process kills itself there, as the kernel or the end of a machine would.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from inspect import isfunction
from pathlib import Path
from typing import Any

TRACE = "CRASH_TRACE"
AT = "CRASH_AT"

EFFECTS: Mapping[str, tuple[str, ...]] = {
    "Store": ("save", "sync", "keep_aside"),
    "Forge": (
        *("open_pull_request", "post_review", "update_threads", "mark_ready", "put_comment"),
        "edit_comment",
        *("submit_verdict", "enable_auto_merge"),
        *("set_status", "set_label", "dispatch", "react", "post_issue", "reply", "rerun"),
    ),
    "Mailbox": ("post", "collect", "discard"),
    "Workspaces": ("prepare", "open"),
    "Workspace": ("collect", "close"),
    "Verifier": ("verify",),
    "BaseBranch": ("tip", "merge"),
    "Agent": ("run",),
}
"""The methods of each port that change something or are paid for."""

GIT_WRITES = ("push", "fast-import", "update-ref", "commit", "fetch", "clone", "bundle")


class Points:
    """The points that this process passes, each under its name and its number."""

    def __init__(self, trace: Path | None, at: str) -> None:
        self._trace = trace
        self._at = at
        self._passed: Counter[str] = Counter()
        self._inside: list[str] = []

    def reach(self, name: str, die: Callable[[], object] = lambda: None) -> None:
        """Pass a point, or die at it; `die` takes along what would die with the machine."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._passed[name] += 1
        point = f"{name} #{self._passed[name]}"
        if self._trace is not None:
            with self._trace.open("a", encoding="utf-8") as stream:
                stream.write(f"{point}\n")
        if point == self._at:
            die()
            os.kill(os.getpid(), signal.SIGKILL)

    def within(self, what: str) -> str:
        """The name of a point inside the effect that is being performed."""
        return f"in {self._inside[-1] if self._inside else 'a run'}: {what}"

    def wrap_effect(self, owner: type, method: str) -> None:
        """Put points before and after a method."""
        name, original = f"{owner.__name__}.{method}", vars(owner)[method]

        @functools.wraps(original)
        def effect(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            self._inside.append(name)
            try:
                answer = original(*args, **kwargs)
            finally:
                self._inside.pop()
            self.reach(f"after {name}")
            return answer

        setattr(owner, method, effect)


def install() -> None:
    """Wrap everything in this process, as its environment asks, and hide that from the program."""
    trace, at = os.environ.pop(TRACE, ""), os.environ.pop(AT, "")
    points = Points(Path(trace) if trace else None, at)
    for owner, method in effects():
        points.wrap_effect(owner, method)
    wrap_renames(points)
    wrap_programs(points)
    wrap_requests(points)


def effects() -> Iterator[tuple[type, str]]:
    """Every class of the adapters that implements a port, with the methods that are effects."""
    from loop_kit import ports

    for owner in adapters():
        for port, methods in EFFECTS.items():
            protocol = getattr(ports, port, None) or getattr(ports.forge, port)
            named = {name for name, found in vars(protocol).items() if isfunction(found)}
            names = {name for name in named if not name.startswith("_")}
            assert set(methods) <= names, f"{port} has no {set(methods) - names}"
            if all(hasattr(owner, name) for name in names):
                yield from ((owner, name) for name in methods if name in vars(owner))


def adapters() -> Iterator[type]:
    """The classes of the adapters, but for those that only repeat what another job has done."""
    for module_name, module in sorted(sys.modules.items()):
        if module_name.startswith("loop_kit.adapters.") and not module_name.endswith(".replay"):
            for found in list(vars(module).values()):
                if isinstance(found, type) and found.__module__ == module_name:
                    yield found


def wrap_renames(points: Points) -> None:
    """Between a draft and the file that it becomes."""
    replace = os.replace

    def renamed(draft: Any, target: Any) -> None:
        name = Path(target).name
        points.reach(points.within(f"the draft of {name} is written"))
        replace(draft, target)
        points.reach(points.within(f"{name} is written"))

    os.replace = renamed  # type: ignore[assignment]


def wrap_programs(points: Points) -> None:
    """While git writes, and while an agent or a verify command runs."""

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: Any, *more: Any, **named: Any) -> None:
            super().__init__(args, *more, **named)
            self._what = program(list(args) if not isinstance(args, str) else [args])
            if self._what:
                points.reach(points.within(f"{self._what} begins"), self._die)

        def wait(self, timeout: float | None = None) -> int:
            code = super().wait(timeout)
            if self._what:
                done, self._what = self._what, ""
                points.reach(points.within(f"{done} is done"))
            return code

        def _die(self) -> None:
            if self._what.startswith("git "):
                os.killpg(self.pid, signal.SIGKILL)

    subprocess.Popen = Watched  # type: ignore[misc]


def program(argv: list[str]) -> str:
    """What a program is called in a point's name; "" for one that changes nothing."""
    if Path(argv[0]).name != "git":
        return "a program"
    words = [word for word in argv[1:] if word in GIT_WRITES]
    return f"git {words[0]}" if words else ""


def wrap_requests(points: Points) -> None:
    """Before a request is sent, and after the server has carried it out."""
    import requests

    send = requests.Session.send

    def sent(self: requests.Session, request: requests.PreparedRequest, **named: Any) -> Any:
        what = f"{request.method} of the API"
        if request.method != "GET":
            points.reach(points.within(f"{what} begins"))
        answer = send(self, request, **named)
        if request.method != "GET":
            points.reach(points.within(f"{what} is done"))
        return answer

    requests.Session.send = sent  # type: ignore[method-assign]
