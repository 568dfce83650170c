"""The trusted texts that instruct agents, read by the caller's `read`.

On a laptop that reads the disk; in a CI job the base commit, so that nothing a worker writes can
instruct the reviewer or the next round. The package has a default for each text. A text that is too
long is cut with one warning: else the rules at its end would be lost without a trace.
"""

from collections.abc import Callable, Mapping, Sequence

from loop_kit import defaults
from loop_kit.core.briefing.knowledge import Knowledge, parse
from loop_kit.core.briefing.prompts import Guidance
from loop_kit.core.loop.state import Role

_MAX_TEXT = 64 * 1024

TEMPLATES = {Role.WORKER: "worker_prompt.txt", Role.REVIEWER: "reviewer_prompt.txt"}
_ROLES = {Role.WORKER: "code-writer.md", Role.REVIEWER: "reviewer.md"}
_CONTEXT = ("project_facts.md", "pitfalls.md", "patterns.jsonl")

ReadMany = Callable[[Sequence[str]], Mapping[str, bytes]]


class Guides:
    """Templates from the loop's folder, role documents and AGENTS.md from the root.

    `warn` gets one line for each text that is cut, the first time.
    """

    def __init__(
        self,
        read: ReadMany,
        loop_dir: str,
        known: Callable[[], Knowledge],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._read = read
        self._loop_dir = loop_dir
        self._known = known
        self._warn = warn
        self._warned: set[str] = set()

    def guidance(self, role: Role) -> Guidance:
        """Template, role document and AGENTS.md for one role."""
        role = role.job
        template = f"{self._loop_dir}/templates/{TEMPLATES[role]}"
        document = f"docs/roles/{_ROLES[role]}"
        found = self._read((template, document, "AGENTS.md"))
        self._warn_of_cuts(found)
        agents = _text(found, "AGENTS.md")
        if role is Role.WORKER and not agents:
            agents = defaults.text("roles/agents.md")
        return Guidance(
            template=_text(found, template) or defaults.text(f"templates/{TEMPLATES[role]}"),
            role_md=_text(found, document) or defaults.text(f"roles/{_ROLES[role]}"),
            agents_md=agents,
        )

    def _warn_of_cuts(self, found: Mapping[str, bytes]) -> None:
        for path, raw in found.items():
            if len(raw) > _MAX_TEXT and path not in self._warned:
                self._warned.add(path)
                self._warn(
                    f"{path} has {len(raw)} bytes: agents get the first {_MAX_TEXT}. Shorten it."
                )

    def knowledge(self) -> Knowledge:
        """What people and earlier reviews recorded about this repository."""
        return self._known()


class CommittedTexts:
    """The texts of one commit, which cannot change: all are read when the first is asked for."""

    def __init__(self, read: ReadMany, loop_dir: str) -> None:
        templates = (f"{loop_dir}/templates/{name}" for name in TEMPLATES.values())
        documents = (f"docs/roles/{name}" for name in _ROLES.values())
        self._names = (*templates, *documents, "AGENTS.md", *_context(loop_dir))
        self._read = read
        self._found: Mapping[str, bytes] | None = None

    def __call__(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Those of the files `names` that there are."""
        if self._found is None:
            self._found = self._read(self._names)
        return {name: self._found[name] for name in names if name in self._found}


def committed_knowledge(read: ReadMany, loop_dir: str, now: str) -> Knowledge:
    """The knowledge in the files that `read` finds; `now` is UTC as YYYY-MM-DDTHH:MM:SSZ."""
    paths = _context(loop_dir)
    found = read(paths)
    facts, pitfalls, patterns = (found.get(p, b"").decode("utf-8-sig", "replace") for p in paths)
    return parse(facts, pitfalls, patterns, now)


def _context(loop_dir: str) -> tuple[str, ...]:
    return tuple(f"{loop_dir}/context/{name}" for name in _CONTEXT)


def _text(found: Mapping[str, bytes], path: str) -> str:
    text = found.get(path, b"")[:_MAX_TEXT].decode("utf-8-sig", "replace")
    return text if text.strip() else ""
