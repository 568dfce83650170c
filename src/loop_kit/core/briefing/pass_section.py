"""What a reviewer is asked in a further pass over a change: what is severe, and not known yet.

How to look comes first and is the same in every loop; then what was reported before, so that it is
not said again, and the change. What the worker says about it is left out: a success story makes a
reviewer find less, and the passes before have compared it with the change.
"""

from typing import Any

from loop_kit.core.briefing.review_section import change_section, finding_lines, known_sections
from loop_kit.core.loop.bus import Document
from loop_kit.core.text.sanitize import fence

_HOW = """\
### How to judge

This is a further pass over a change that was reviewed before. Whether it is approved is not for you
to say: look at it as if nobody had, for what one pass alone misses.

1. Only two things count: a problem that is severe (`high`: a bug that users meet, data that is
   lost, a hole in security), and an acceptance criterion, or the goal, that is not met.
2. Follow each path through the change to its end: limits, errors, empty and odd input, what runs at
   the same time, callers that are not in the diff.
3. Name the input or the path by which it fails. What you cannot show is no blocking issue.
4. Everything else is no matter of this pass: style, names, small things, tests to add.
5. Nothing more is a good answer. Then `decision` is `approve`."""

_REPORTED = "### Reported already: do not repeat it"


def pass_section(request: Document, folder: str) -> str:
    """The section for this request; `folder` is where the agent finds the bus files."""
    known = [_REPORTED, "", _reported(request)]
    parts = [_HOW, "\n".join(known), *known_sections(request), change_section(request, folder)]
    return "\n\n".join(parts)


def _reported(request: Document) -> str:
    """What the passes and rounds before have reported that is not settled."""
    asked: dict[str, Any] = request["further_pass"]
    before = [*request["open_findings"], *asked["reported"]]
    lines = [line for finding in before for line in finding_lines(_named(finding))]
    lines += [
        f"{verdict['id']} is not met: {verdict['evidence']}" for verdict in asked["unmet_criteria"]
    ]
    return fence("\n".join(lines) or "<nothing>")


def _named(finding: Document) -> Document:
    return {**finding, "id": finding.get("id") or "-"}
