"""What the worker of one round is asked to fix, and what not.

A worker that improves what nobody asked for makes the next findings: so it is asked for the
smallest change, and what is for later is named to be left alone.
"""

from collections.abc import Mapping
from typing import Any

from loop_kit.core.briefing.review_section import finding_lines, listed
from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.verification import failure_reason
from loop_kit.core.text.sanitize import fence

NOTHING = "None: nothing was sent back."

_SMALLEST = """\
Make the smallest change that fixes exactly these findings, nothing else: no clean-up, no renaming,
no improvement that none of them asks for. Where possible make one commit per finding, with its id
at the beginning of the subject (`{first}: ...`). Answer each one by its id: `fixed`, with the
commit or the test that shows it, or `disputed`, with evidence that it is wrong. A dispute that you
can prove is better than a change that nothing needs."""

_NOT_NOW = """\
### Open findings: not for this round

Fix one of these now only if that makes the change smaller; the next round asks for the others."""


def fix_section(fix_list: Document | None) -> str:
    """The fix list for a prompt, as far as it can be read."""
    fixes, later = fix_items(fix_list, "fixes"), fix_items(fix_list, "later")
    simplify = _simplify(fix_list)
    parts = [*simplify, *(_asked(fixes, simplifies=bool(simplify)) if fixes else [])]
    parts += _failing(fix_list, fixes) + _tried(fix_list)
    if parts and later:
        parts.append(f"### For later: do not fix these now\n\n{listed(later)}")
    return "\n\n".join(parts) or NOTHING


def _asked(fixes: list[Document], *, simplifies: bool) -> list[str]:
    """The open findings, with what is asked about them."""
    required = [str(fix.get("id")) for fix in fixes if fix.get("required")]
    are, them = ("is", "it") if len(required) == 1 else ("are", "them")
    decided = f"A person has decided that {', '.join(required)} {are} right: do not dispute {them}."
    return [
        _NOT_NOW if simplifies else _SMALLEST.format(first=fixes[0].get("id")),
        *([decided] if required else []),
        fence("\n".join(line for fix in fixes for line in finding_lines(fix))),
    ]


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
        f"{_growth(sizes)} Add nothing. Take out what the card does not need, or say in `notes`,"
        " part by part, why it is needed. A change that stays over the limit goes to a person."
    ]


def _growth(sizes: Mapping[str, Any]) -> str:
    grown = [
        f"{name}: {size.get('first')} changed lines in round 1, {size.get('now')} now"
        for name, size in (("source", sizes.get("source")), ("tests", sizes.get("tests")))
        if isinstance(size, Mapping)
    ]
    if not grown:
        return "It is over the limit."
    smallest = f", of which fewer than {sizes.get('smallest_start')} lines count as that many"
    return (
        f"The limit is {sizes.get('limit')} times the first work{smallest}."
        f" {'. '.join(f'{each[0].upper()}{each[1:]}' for each in grown)}."
    )


def _failing(fix_list: Document | None, fixes: list[Document]) -> list[str]:
    """The verify command that fails at the reviewed commit, unless a finding is about it."""
    verification = fix_list.get("verification") if isinstance(fix_list, Mapping) else None
    results = fix_items(verification, "results") if isinstance(verification, Mapping) else []
    failed = next((result for result in results if result.get("exit_code")), None)
    if failed is None:
        return []
    command = str(failed.get("command"))
    if any(fix.get("reason") == failure_reason(command) for fix in fixes):
        return []
    shown = f"{command}\nexit code {failed.get('exit_code')}\n{failed.get('tail') or ''}"
    return [
        "### A verify command fails at the reviewed commit\n\nNo approval counts while it does:"
        f" make it succeed too, by the smallest change.\n\n{fence(shown.rstrip())}"
    ]


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
