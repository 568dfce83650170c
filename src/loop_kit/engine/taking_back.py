"""In which files a fix takes back what the fix before it did, as git has them."""

from loop_kit.core.loop.growth import is_lock_file
from loop_kit.core.loop.restored import (
    MAX_BYTES,
    MAX_FILES,
    Versions,
    takes_back,
    takes_back_again,
)
from loop_kit.core.loop.state import LoopState, RoundRecord
from loop_kit.errors import LoopError
from loop_kit.frozen import frozen
from loop_kit.ports import Repository


@frozen
class TakenBack:
    """The `files` in which a fix takes back the last one, and those `again` as that one did."""

    files: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


def taken_back(repository: Repository, state: LoopState, head: str, diff_base: str) -> TakenBack:
    """What the fix of this round, up to `head`, takes back; nothing where git cannot say.

    What others changed on the base branch in between, and one of the fixes merged, is left out, and
    so are lock files, which follow other files.
    """
    fixes = [r for r in reversed(state.history) if r.parent_sha != r.head_sha]
    if not fixes or fixes[0].round <= 1 or fixes[0].round == state.round:
        return TakenBack()
    try:
        return _Comparison(repository, state, head, diff_base).compare(fixes)
    except LoopError:
        return TakenBack()


class _Comparison:
    """Compares the newest fix with those before it."""

    def __init__(self, repository: Repository, state: LoopState, head: str, diff_base: str) -> None:
        self._repository = repository
        self._state = state
        self._fix = (state.tip, head)
        self._diff_base = diff_base

    def compare(self, fixes: list[RoundRecord]) -> TakenBack:
        last = fixes[0]
        spans = (_span(last), self._fix)
        then, now = (self._changed(*span) for span in spans)
        paths = [path for path in now if path in then and not is_lock_file(path)]
        paths = self._own(paths, last.round)[:MAX_FILES]
        files = tuple(p for p in paths if takes_back(*(self._versions(p, s) for s in spans)))
        if not files or len(fixes) < 2 or fixes[1].round <= 1:
            return TakenBack(files)
        own = self._own(files, fixes[1].round)
        all_three = (_span(fixes[1]), *spans)
        again = (p for p in own if takes_back_again(*(self._versions(p, s) for s in all_three)))
        return TakenBack(files, tuple(again))

    def _changed(self, parent: str, head: str) -> list[str]:
        changes = self._repository.net_change(parent, head).changes
        return [change.path for change in changes if change.size <= MAX_BYTES]

    def _own(self, paths: list[str] | tuple[str, ...], round_: int) -> list[str]:
        """Those that the base branch did not bring in with the fix of `round_`, or later."""
        if not paths:
            return []
        earlier = [r.diff_base for r in self._state.history if r.round < round_]
        before = earlier[-1] if earlier and earlier[-1] else self._state.base_sha
        if before == self._diff_base:
            return list(paths)
        others = {c.path for c in self._repository.net_change(before, self._diff_base).changes}
        return [path for path in paths if path not in others]

    def _versions(self, path: str, span: tuple[str, str]) -> Versions:
        return Versions(*(self._repository.read(sha, path) or b"" for sha in span))


def _span(record: RoundRecord) -> tuple[str, str]:
    return record.parent_sha, record.head_sha
