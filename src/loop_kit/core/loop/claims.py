"""Whether the files that an approval names as examined are files of the work.

A reviewer that looked at nothing often names files that it made up. That is cheap to find out: git
knows what there is at the head and at the base, and which files the work changed.
"""

from collections.abc import Callable, Collection

from loop_kit.core.agent.places import possible_paths
from loop_kit.core.agent.reports import ReviewReport
from loop_kit.core.loop.bus import IN_WORKSPACE
from loop_kit.core.text.sanitize import one_line

_MAX_NAMES = 5

Existing = Callable[[Collection[str]], Collection[str]]


def false_claim(review: ReviewReport, changed: Collection[str], existing: Existing) -> str | None:
    """Why this approval cannot have examined what it names, as a sentence, or None.

    `changed` are the files that the work changed. `existing` returns those of the paths that are at
    the head or at the base; it is asked at most once, and not about files that were changed.
    """
    if review.decision != "approve":
        return None
    claims = {name: tuple(possible_paths(name)) for name in review.files_examined}
    claims = {name: paths for name, paths in claims.items() if not _is_input(paths)}
    others = {name: paths for name, paths in claims.items() if not {*paths} & {*changed}}
    known = existing({path for paths in others.values() for path in paths}) if others else ()
    made_up = [name for name, paths in others.items() if not {*paths} & {*known}]
    if made_up:
        return (
            f"review_report.json names {_listed(made_up)} in 'files_examined',"
            " which is neither at the reviewed commit nor at the base"
        )
    folders = tuple(f"{path.rstrip('/')}/" for path in known)
    if not changed or len(others) < len(claims) or any(p.startswith(folders) for p in changed):
        return None
    return (
        "review_report.json approves and names none of the changed files in 'files_examined':"
        f" {_listed(sorted(changed))}"
    )


def _is_input(paths: Collection[str]) -> bool:
    """Whether this is a file that the reviewer was given, such as the review request."""
    return any(path.rpartition("/")[2] in IN_WORKSPACE for path in paths)


def _listed(names: Collection[str]) -> str:
    first = ", ".join(one_line(name, 200) for name in list(names)[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return f"{first} and {more} more" if more > 0 else first
