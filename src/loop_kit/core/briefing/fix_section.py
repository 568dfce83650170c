"""What the worker of one round is asked to fix, and what not.

A worker that improves what nobody asked for makes the next findings: so it is asked for the
smallest change, and what is for later is named to be left alone.
"""

from collections.abc import Mapping
from typing import Any

from loop_kit.core.briefing.review_section import finding_lines, listed
from loop_kit.core.loop.bus import Document
from loop_kit.core.sanitize import fence

NOTHING = "None: nothing was sent back."

_SMALLEST = """\
Make the smallest change that fixes exactly these findings, nothing else: no clean-up, no renaming,
no improvement that none of them asks for. Where possible make one commit per finding, with its id
at the beginning of the subject (`{first}: ...`). Answer each one by its id: `fixed`, with the
commit or the test that shows it, or `disputed`, with evidence that it is wrong. A dispute that you
can prove is better than a change that nothing needs."""


def fix_section(fix_list: Document | None) -> str:
    """The fix list for a prompt, as far as it can be read."""
    fixes = fix_items(fix_list, "fixes")
    parts = []
    if fixes:
        parts += [_SMALLEST.format(first=fixes[0].get("id"))]
        required = [str(fix.get("id")) for fix in fixes if fix.get("required")]
        if required:
            parts.append(
                f"A person has decided that {', '.join(required)}"
                f" {'is' if len(required) == 1 else 'are'} right: do not dispute"
                f" {'it' if len(required) == 1 else 'them'}."
            )
        parts.append(fence("\n".join(line for fix in fixes for line in finding_lines(fix))))
    parts += _simplify(fix_list)
    parts += _tried(fix_list)
    later = fix_items(fix_list, "later")
    if parts and later:
        parts.append(f"### For later: do not fix these now\n\n{listed(later)}")
    return "\n\n".join(parts) or NOTHING


def fix_items(fix_list: Document | None, key: str) -> list[Document]:
    """The findings under `key`; a list that somebody damaged is read as far as it goes."""
    listed = fix_list.get(key) if isinstance(fix_list, Mapping) else None
    return [fix for fix in listed if isinstance(fix, Mapping)] if isinstance(listed, list) else []


def _simplify(fix_list: Document | None) -> list[str]:
    """The request of a round that may only simplify, with the numbers; none for another round."""
    sizes = fix_list.get("simplify") if isinstance(fix_list, Mapping) else None
    if not isinstance(sizes, Mapping):
        return []
    return [
        "### The change has grown too large: only simplify or justify\n\n"
        f"{_growth(sizes)} Add nothing. Take out what the card and the findings above do not need,"
        " or say in `notes`, part by part, why it is needed. A change that stays over the limit"
        " goes to a person."
    ]


def _growth(sizes: Mapping[str, Any]) -> str:
    grown = [
        f"{name}: {size.get('first')} net lines in round 1, {size.get('now')} now"
        for name, size in (("source", sizes.get("source")), ("tests", sizes.get("tests")))
        if isinstance(size, Mapping)
    ]
    return f"The limit is {sizes.get('limit')} times the first work ({'; '.join(grown)})."


def _tried(fix_list: Document | None) -> list[str]:
    """What earlier rounds have tried, in facts; none where the conversation continues."""
    rounds = fix_items(fix_list, "tried")
    if not rounds:
        return []
    lines = []
    for tried in rounds:
        commits = tried.get("commits") or []
        lines.append(f"Round {tried.get('round')}: {'; '.join(map(str, commits)) or 'no commit'}")
        if tried.get("verified") is not None:
            lines.append(f"    verify commands {'passed' if tried['verified'] else 'failed'}")
        lines.append(f"    still not fixed after it: {', '.join(tried.get('not_fixed') or [])}")
    return [
        "### What was tried and did not hold\n\nYou start without the earlier conversation. Look at"
        " these commits, find out why they did not fix it, and take another way."
        f"\n\n{fence(chr(10).join(lines))}"
    ]
