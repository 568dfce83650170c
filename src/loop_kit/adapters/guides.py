"""The trusted texts that steer agents, from wherever the caller's `read` looks.

On a laptop that is the disk; in a CI job it is the base commit, so that nothing a worker writes can
steer the reviewer or the next round. What a repository does not say, the package says.
"""

from collections.abc import Callable

from loop_kit import defaults
from loop_kit.core.prompts import Guidance
from loop_kit.core.state import Role

_MAX_TEXT = 64 * 1024

TEMPLATES = {Role.WORKER: "worker_prompt.txt", Role.REVIEWER: "reviewer_prompt.txt"}
_ROLES = {Role.WORKER: "code-writer.md", Role.REVIEWER: "reviewer.md"}


class Guides:
    """Reads templates from the loop's folder, and role documents and AGENTS.md from the root."""

    def __init__(self, read: Callable[[str], bytes | None], loop_dir: str) -> None:
        self._read = read
        self._loop_dir = loop_dir

    def guidance(self, role: Role) -> Guidance:
        """Template, role document and AGENTS.md for one role."""
        template = f"{self._loop_dir}/templates/{TEMPLATES[role]}"
        document = _ROLES[role]
        agents = self._text("AGENTS.md")
        if role is Role.WORKER and not agents:
            agents = defaults.text("roles/agents.md")
        return Guidance(
            template=self._text(template) or defaults.text(f"templates/{TEMPLATES[role]}"),
            role_md=self._text(f"docs/roles/{document}") or defaults.text(f"roles/{document}"),
            agents_md=agents,
        )

    def _text(self, path: str) -> str:
        raw = self._read(path) or b""
        text = raw[:_MAX_TEXT].decode("utf-8-sig", "replace")
        return text if text.strip() else ""
