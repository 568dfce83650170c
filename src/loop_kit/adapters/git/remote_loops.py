"""The branches and states of many loops at once, from the git server.

However many loops there are, it takes one listing, one fetch and a fixed number of git processes
(named loops are listed in batches, since an argument list is limited). Only `all_states`, for the
sweep, covers loops that the caller did not name.

A state is hostile input. One that is missing, oversize, damaged or of another loop is reported for
that loop alone, and so is a branch that cannot be fetched while the others can.
"""

import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from loop_kit.adapters.git.command import FETCH, Git, read_blobs
from loop_kit.adapters.git.refusals import is_denied, printable
from loop_kit.adapters.git.remote import Remote, ask_server
from loop_kit.core.card.task import check_task_id
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState, StateCorrupt, parse_state
from loop_kit.errors import BranchRefused, GitFailed
from loop_kit.frozen import frozen

MAX_STATE_BYTES = 2 * 1024 * 1024
_PER_LISTING = 500
_HEADS = "refs/heads/"
_LOCAL = "refs/loop-kit/"
_ROW = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(refs/heads/.+)")


@frozen
class Tips:
    """The commits that a loop's branches are at; '' if there is no such branch."""

    state: str = ""
    work: str = ""


@frozen
class StateRecord:
    """The state branch of one loop.

    Attributes:
        sha: Its tip; '' when it could not be fetched.
        committed_at: The committer time of the tip, UTC as YYYY-MM-DDTHH:MM:SSZ.
        state: What it records, or None.
        why: Why there is no state, in a few words.
    """

    sha: str = ""
    committed_at: str = ""
    state: LoopState | None = None
    why: str = ""


class RemoteLoops:
    """Queries the git server about loops. Fetched commits stay in the repository of `git`."""

    def __init__(
        self,
        git: Git,
        remote: Remote,
        prefix: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._git = git
        self._remote = remote
        self._prefix = prefix
        self._sleep = sleep

    def tips(self, task_ids: Iterable[str]) -> dict[str, Tips]:
        """The branches of these loops; a loop without any is left out.

        Raises:
            BranchRefused: the git server refuses, or does not answer.
        """
        found: dict[str, Tips] = {}
        for batch in _batches(sorted(set(task_ids)), _PER_LISTING):
            loops = [Branches(self._prefix, task_id) for task_id in batch]
            found_tips = self._list_tips([n for loop in loops for n in (loop.state, loop.work)])
            for loop in loops:
                tips = Tips(found_tips.get(loop.state, ""), found_tips.get(loop.work, ""))
                if tips != Tips():
                    found[loop.task_id] = tips
        return found

    def all_states(self) -> dict[str, str]:
        """The tip of every state branch under the prefix, by task id: for the sweep alone.

        Raises:
            BranchRefused: the git server refuses, or does not answer.
        """
        listing = self._list_tips([f"{self._prefix}/*/state"])
        start, end = f"{self._prefix}/", "/state"
        tips = {
            branch.removeprefix(start).removesuffix(end): sha
            for branch, sha in listing.items()
            if branch.startswith(start) and branch.endswith(end)
        }
        return {name: sha for name, sha in tips.items() if _is_task_id(name)}

    def states(self, task_ids: Iterable[str]) -> dict[str, StateRecord]:
        """What the state branches of these loops record; one without a branch is left out.

        Raises:
            BranchRefused: the git server refuses, or does not answer.
        """
        outcome = self._fetch(sorted(set(task_ids)))
        broken = {name: StateRecord(why=why) for name, why in outcome.items() if why}
        return {**broken, **self._read_states({name for name in outcome if name not in broken})}

    def _list_tips(self, branches: Sequence[str]) -> dict[str, str]:
        """The tips of the branches that match, by name.

        `--heads` is passed although each pattern implies it: with patterns alone git has the server
        send every ref that it has, also those of all pull requests.
        """
        code, output = self._ask(
            "ls-remote",
            "--heads",
            "--",
            self._remote.url,
            *(f"{_HEADS}{name}" for name in branches),
        )
        if code:
            raise _refusal(output)
        rows = filter(None, map(_ROW.fullmatch, output.splitlines()))
        exact = not any("*" in name for name in branches)
        tips = {row[2].removeprefix(_HEADS): row[1] for row in rows}
        return {name: tips[name] for name in branches if name in tips} if exact else tips

    def _fetch(self, task_ids: Sequence[str]) -> dict[str, str]:
        """Fetch these state branches: '' or why not, by task id; without those that are gone.

        One fetch takes all or nothing. When it fails, the branches are fetched by halves to find
        the ones that cannot be fetched. Loops share no commits, so the server is not asked which
        of those that were fetched before it knows.
        """
        if not task_ids:
            return {}
        refs = ((Branches(self._prefix, name).state, _local(name)) for name in task_ids)
        code, output = self._ask(
            *("-c", "fetch.negotiationAlgorithm=noop", "-c", "fetch.fsckObjects=true", *FETCH),
            *("--depth=1", "--stdin", "--", self._remote.url),
            stdin="".join(f"+{_HEADS}{branch}:{local}\n" for branch, local in refs).encode(),
        )
        if code == 0:
            return dict.fromkeys(task_ids, "")
        present = [name for name, tips in self.tips(task_ids).items() if tips.state]
        if len(present) < len(task_ids):
            return self._fetch(present)
        if len(task_ids) == 1:
            return {task_ids[0]: f"its branch cannot be fetched ({printable(output)[-200:]})"}
        half = len(task_ids) // 2
        return self._fetch(task_ids[:half]) | self._fetch(task_ids[half:])

    def _read_states(self, task_ids: Collection[str]) -> dict[str, StateRecord]:
        """The states of branches that have been fetched."""
        form = "%(refname) %(objectname) %(committerdate:format-local:%Y-%m-%dT%H:%M:%SZ)"
        utc = {"TZ": "UTC0"}
        lines = self._git.text("for-each-ref", f"--format={form}", _LOCAL, env=utc).splitlines()
        rows = {ref: (sha, at) for ref, sha, at in (line.split(" ") for line in lines)}
        found = {name: rows[_local(name)] for name in sorted(task_ids) if _local(name) in rows}
        blobs = self._blobs({name: f"{sha}:{bus.STATE}" for name, (sha, _) in found.items()})
        return {
            name: _parse_record(name, sha, at, *blobs.get(name, (None, f"there is no {bus.STATE}")))
            for name, (sha, at) in found.items()
        }

    def _blobs(self, wanted: Mapping[str, str]) -> dict[str, tuple[bytes | None, str]]:
        """The files `wanted`, each a commit and a path, or why one cannot be used."""
        names = "".join(f"{name}\n" for name in wanted.values()).encode()
        lines = self._git.run("cat-file", "--batch-check", stdin=names).out.decode().splitlines()
        found: dict[str, tuple[bytes | None, str]] = {}
        sized: dict[str, tuple[str, int]] = {}
        for key, line in zip(wanted, lines, strict=True):
            oid, kind, size = [*line.split(" "), "", ""][:3]
            if kind == "blob" and int(size) <= MAX_STATE_BYTES:
                sized[key] = oid, int(size)
            elif kind == "blob":
                found[key] = (None, f"{bus.STATE} is longer than {MAX_STATE_BYTES} bytes")
        return found | {key: (raw, "") for key, raw in read_blobs(self._git, sized)}

    def _ask(self, *args: str, stdin: bytes | None = None) -> tuple[int, str]:
        """Query the server; returns git's exit code, and its output or its errors."""
        try:
            done = ask_server(self._git, self._remote, *args, stdin=stdin, sleep=self._sleep)
        except GitFailed as error:
            raise BranchRefused(error.sentence, error.remedy, anchor=error.anchor) from None
        printed = done.err if done.code else done.out
        return done.code, printed.decode("utf-8", "replace")


@contextmanager
def scratch_repository(git: Git, folder: Path | None = None) -> Iterator[Git]:
    """A temporary bare repository that reaches the same servers as the repository of `git`.

    A fetch with a depth makes a repository shallow, which other tools complain about. So states are
    not fetched into the repository that people work in, but into this one.
    """
    out = git.text(
        "rev-parse", "--path-format=absolute", "--git-common-dir", "--show-object-format"
    )
    common, _, kind = out.rpartition("\n")
    with tempfile.TemporaryDirectory(
        prefix="loop-kit-", dir=folder, ignore_cleanup_errors=True
    ) as folder_name:
        scratch = git.at(Path(folder_name))
        scratch.run("init", "--quiet", "--bare", "--template=", f"--object-format={kind}", ".")
        scratch.run("config", "include.path", str(Path(common) / "config"))
        yield scratch


def _parse_record(name: str, sha: str, at: str, raw: bytes | None, why: str) -> StateRecord:
    if raw is None:
        return StateRecord(sha, at, None, why)
    try:
        state = parse_state(raw)
    except StateCorrupt as error:
        return StateRecord(sha, at, None, str(error))
    if state.task_id != name:
        return StateRecord(sha, at, None, f"{bus.STATE} is of the task {state.task_id[:80]!r}")
    return StateRecord(sha, at, state)


def _local(task_id: str) -> str:
    return f"{_LOCAL}{task_id}/state"


def _is_task_id(name: str) -> bool:
    try:
        return bool(check_task_id(name))
    except ValueError:
        return False


def _batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _refusal(output: str) -> BranchRefused:
    if is_denied(output) or "denied" in output.lower():
        return BranchRefused(
            f"The git server refused the credentials: {printable(output)}",
            "Give a job `permissions: contents: read`; elsewhere check that `git fetch` works.",
            anchor="token-refused",
        )
    return BranchRefused(
        f"The git server refused: {printable(output)}",
        "Check the address of the remote, then run again.",
    )
