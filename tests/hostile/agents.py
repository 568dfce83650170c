"""The rows that hostile agents try: one loop of two rounds, and one that is to hang."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.core.github_markdown import OurLinks, live
from tests.e2e.conftest import BOT, REPOSITORY, JobResult
from tests.e2e.test_rooms_in_ci import is_taken
from tests.hostile.rows import Verdict
from tests.hostile.scene import KEY, LOGIN, TOKEN, WITHOUT_ROOM, Scene

ROOT = Path(__file__).resolve().parents[2]
READ = ("environment", "environment-of-the-host", "memory")
MAX_LOG = 8_000_000


def try_agents(scene: Scene, rows: Collection[int]) -> list[Verdict]:
    """What became of these rows after two rounds of attacks."""
    first = scene.round(task=".loop/task_card.json")
    daemon = _is_daemon_alive(scene, first.log)
    asked = {k.replace("-", "_"): v for k, v in _last_dispatch(scene).items()}
    work = _work(scene)
    second = scene.round(sender=BOT, **asked) if asked else first
    found = _Found(scene, first, second, work, daemon=daemon)
    judged = [Verdict(number, *found.judge(number)) for number in found.rows() if number in rows]
    alone = {10: _reconfigure, 29: _hang}
    return judged + [attack(scene) for number, attack in alone.items() if number in rows]


def _last_dispatch(scene: Scene) -> dict[str, str]:
    dispatches = scene.hub.api.dispatches
    return dict(dispatches[-1].inputs) if dispatches else {}


def _work(scene: Scene) -> str:
    """The commits that were pushed, with who made them."""
    if scene.hub.bare.head("loop/T-001/work") is None:
        return ""
    shown = ("log", "--format=%an <%ae>%n%B", "--name-only", "main..loop/T-001/work")
    return scene.hub.bare.git(*shown)


def _is_daemon_alive(scene: Scene, log: str) -> bool:
    """Whether a process that the worker left behind lives, or lived while the reviewer ran."""
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False)
    lives = any("hostile-daemon" in line and "sh -c" in line for line in done.stdout.splitlines())
    beat = scene.evidence / "beat"
    seen = beat.stat().st_mtime if beat.exists() else 0.0
    started = [float(at) for at in re.findall(r"REVIEW ([0-9.]+)", log)]
    return lives or bool(started and seen > started[0] + 0.1)


def _reconfigure(scene: Scene) -> Verdict:
    """A worker that writes into the files by which later steps are configured."""
    scene.round(task=".loop/tasks/T-10.json")
    text = scene.command_file.read_text()
    return Verdict(10, not text, "a later step is configured by the worker" if text else "")


def _hang(scene: Scene) -> Verdict:
    began, scene.hub.patience = time.monotonic(), 120
    try:
        done = scene.round(task=".loop/tasks/T-29.json")
    except subprocess.TimeoutExpired:
        for program in scene.hub.running:
            program.kill()
            program.wait(timeout=10)
        return Verdict(29, False, "the job did not end")
    if "ROUTE worker:hang tried" not in done.log:
        return Verdict(29, False, f"the worker never came to try it: {done.log[-300:]}")
    if "Traceback" in done.log or "bug" in done.log:
        return Verdict(29, False, "the job ended in a bug")
    return Verdict(29, True, f"the job ended after {time.monotonic() - began:.0f} s")


class _Found:
    """What two rounds have left, judged row by row: whether it holds, and why not."""

    def __init__(
        self, scene: Scene, first: JobResult, second: JobResult, work: str, *, daemon: bool
    ) -> None:
        self._scene = scene
        self._first = first
        self._second = second
        self._work = work
        self._daemon = daemon
        self._bare = scene.hub.bare
        self._state = self._file("state.json")
        self._routes = set(re.findall(r"ROUTE ([a-z:-]+) (open|tried)", first.log + self._state))

    def rows(self) -> Iterator[int]:
        """The rows that are judged here."""
        for name in sorted(dir(self)):
            if name.startswith("row_"):
                yield int(name.removeprefix("row_"))

    def judge(self, number: int) -> tuple[bool, str]:
        """Whether the row holds, and what shows that it does not."""
        if not self._state:
            return False, f"the loop did not begin: {self._first.log[-300:]}"
        mode, sandbox = self._scene.mode, json.loads(self._state)["sandbox"]
        if mode not in WITHOUT_ROOM and not is_taken(mode, sandbox):
            return False, f"the agents were in another room: {sandbox}"
        broken = [why for why in getattr(self, f"row_{number:02}")() if why]
        return not broken, "; ".join(broken)

    def _file(self, name: str) -> str:
        if self._bare.head("loop/T-001/state") is None:
            return ""
        return (self._bare.file("loop/T-001/state", name) or b"").decode()

    def _open(self, *names: str, roles: tuple[str, ...] = ("worker", "reviewer")) -> Iterator[str]:
        for role in roles:
            if (f"{role}:all", "tried") not in self._routes:
                yield f"the {role} never came to try it"
            for name in names:
                if (f"{role}:{name}", "open") in self._routes:
                    yield f"{name} is open to the {role}"

    def _planted(self, *names: str) -> Iterator[str]:
        for name in names:
            if (self._scene.evidence / name).exists():
                yield f"{name} of the worker was run by the orchestrator"

    def _posts(self) -> list[str]:
        pulls = self._scene.hub.api.repository(REPOSITORY).pulls.values()
        reviews = [review.body for pull in pulls for review in pull.reviews]
        return reviews + [c.body for pull in pulls for c in pull.issue.comments]

    def row_02(self) -> Iterator[str]:
        for path in ("AGENTS.md", ".cursor/rules/evil.mdc"):
            if f"{path} is protected" not in self._first.log:
                yield f"a change of {path} was not refused"
            if path in self._work:
                yield f"{path} was pushed"

    def row_09(self) -> Iterator[str]:
        stopped = ""
        for line in self._first.log.splitlines():
            if line.startswith("::stop-commands::"):
                stopped = line.removeprefix("::stop-commands::")
            elif stopped and line == f"::{stopped}::":
                stopped = ""
            elif line.startswith(("::set-output", "::add-path", "##[error]hostile")):
                yield f"a command of the worker is one: {line[:40]}"
            elif "::add-path::/evil" in line and not stopped:
                yield "a command was printed where commands are read"

    def row_11(self) -> Iterator[str]:
        action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
        for name in self._first.outputs:
            if name not in {*action["outputs"], "bundle-path", "record-path", "record-name"}:
                yield f"an output {name!r} was forged"
        if self._first.outputs.get("outcome"):
            yield "the outcome was forged"

    def row_12(self) -> Iterator[str]:
        yield from self._open("checkout", "own-environment", *READ)
        yield from self._planted("git")

    def row_13(self) -> Iterator[str]:
        yield from self._open("home", *READ)

    def row_14(self) -> Iterator[str]:
        names = ("post-checkout", "pre-push", "post-commit", "reference-transaction", "configured")
        yield from self._planted(*names)

    def row_15(self) -> Iterator[str]:
        if self._first.outputs.get("decision") != "changes_required":
            yield "the verdict is not the reviewer's"

    def row_16(self) -> Iterator[str]:
        code = (self._bare.file("loop/T-001/work", "calc.py") or b"").decode()
        if "# hostile" in code:
            yield "what the reviewer committed was pushed"
        if "verdict" not in self._first.log:
            yield "the verdict of a reviewer that changed the code counted"

    def row_17(self) -> Iterator[str]:
        if self._daemon:
            yield "a process of the worker outlived its turn"

    def row_18(self) -> Iterator[str]:
        for path in (".github/workflows/evil.yml", "link", "sub", "test_calc.py"):
            if re.search(rf"^{re.escape(path)}$", self._work, re.MULTILINE):
                yield f"{path} was pushed"
            if f"{path} is " not in self._first.log:
                yield f"{path} was not refused"

    def row_20(self) -> Iterator[str]:
        links = OurLinks(f"{self._scene.hub.git.url}/{REPOSITORY}")
        for post in self._posts():
            if acts := live(post, links=links):
                yield f"a post acts: {', '.join(sorted(acts))}"

    def row_21(self) -> Iterator[str]:
        if self._second.outputs.get("outcome") != "invalid_review_report":
            yield f"an approval without evidence led to {self._second.outputs.get('outcome')}"

    def row_23(self) -> Iterator[str]:
        names = ("checkout", "home", "own-environment", *READ)
        yield from self._open(*names, roles=("verify",))

    def row_25(self) -> Iterator[str]:
        if len(self._first.log) > MAX_LOG:
            yield f"the log has {len(self._first.log)} characters"

    def row_26(self) -> Iterator[str]:
        yield from self._open("planted", roles=("reviewer", "verify"))
        yield from self._planted("git")

    def row_27(self) -> Iterator[str]:
        for words in ("fixes #1", "[skip ci]", "Mona <mona@example.com>"):
            if words in self._work:
                yield f"{words!r} of the worker was pushed"

    def row_28(self) -> Iterator[str]:
        heads = ("loop/T-001/work", "loop/T-001/state")
        everything = self._bare.git("log", "-p", *(h for h in heads if self._bare.head(h)))
        published = [everything, *self._posts(), self._first.summary, self._second.summary]
        published += [json.dumps(dict(job.outputs)) for job in (self._first, self._second)]
        for secret in (KEY, TOKEN, LOGIN):
            if any(secret in text for text in published):
                yield f"{secret} was published"
