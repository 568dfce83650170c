"""What posts are made from beside the state: where the repository is on the web, and who works.

A link is made by us from ids, commits and paths, each escaped, so that no text of others can end
it. Where the page of the repository is not known, or a path would act as an address, there is the
text without a link.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from loop_kit.core.agent.role import Role
from loop_kit.core.text.plain_words import ACTING_PATH

_ACTS = re.compile(ACTING_PATH, re.IGNORECASE)


def link(words: str, url: str | None) -> str:
    """`words`, which are harmless, as a link; as they are where there is none."""
    return f"[{words}]({url})" if url else words


class PostContext(NamedTuple):
    """Where posts lead, and who they name.

    Attributes:
        page: The repository's page on the forge, "" where it is unknown.
        agents: What works in each role, as far as it is known before it has reported.
        keeps_record: Whether jobs keep the record of their attempts as an artifact.
    """

    page: str = ""
    agents: Mapping[Role, str] = MappingProxyType({})
    keeps_record: bool = True

    def compare(self, parent: str, head: str) -> str | None:
        """What a round has changed."""
        known = self.page and parent and head and parent != head
        return f"{self.page}/compare/{parent}...{head}" if known else None

    def changes(self, pull: int | None) -> str | None:
        """All that a pull request changes."""
        return f"{self.page}/pull/{pull}/files" if self.page and pull else None

    def pull(self, pull: int | None) -> str | None:
        """A pull request."""
        return f"{self.page}/pull/{pull}" if self.page and pull else None

    def review(self, pull: int | None, ref: str) -> str | None:
        """A review of a pull request; `ref` is its id."""
        known = self.page and pull and ref.isdigit()
        return f"{self.page}/pull/{pull}#pullrequestreview-{ref}" if known else None

    def run(self, run_id: str | None) -> str | None:
        """A run of the workflow, which has the log."""
        known = self.page and run_id and run_id.isdigit()
        return f"{self.page}/actions/runs/{run_id}" if known else None

    @property
    def runs(self) -> str | None:
        """The runs of all workflows."""
        return f"{self.page}/actions" if self.page else None

    def run_links(self, run_id: str | None) -> list[str]:
        """Links to the log of a run, and to the record of its attempts."""
        run = self.run(run_id)
        if run is None:
            return []
        return [f"[log]({run})", *([f"[record]({run}#artifacts)"] if self.keeps_record else [])]

    def file(self, revision: str, path: str, line: int | None = None) -> str | None:
        """A file at a commit or on a branch, and a line of it."""
        if not (self.page and revision and path):
            return None
        at = f"#L{line}" if line else ""
        below = f"{quote(revision)}/{quote(path.encode('utf-8', 'replace'))}"
        return None if _ACTS.search(f"/{below}") else f"{self.page}/blob/{below}{at}"

    def branch(self, name: str) -> str | None:
        """A branch."""
        return f"{self.page}/tree/{quote(name)}" if self.page and name else None
