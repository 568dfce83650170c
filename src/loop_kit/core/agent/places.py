"""Where a reviewer's issue is: the file as git names it, and the line, from how agents write them.

A place may be written as `calc.py:5`, `./calc.py`, `/calc.py`, `a/calc.py` as in a diff, or as an
absolute path of the workspace. Only the repository can say whether `a/` is a folder of its own, so
this module proposes paths, the likeliest first, and the first one that exists is taken; else the
changed file whose name differs in the case of letters alone. A file that the work has renamed is
meant by its old name too.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from loop_kit.core.agent.reports import ReportedIssue, ReviewReport
from loop_kit.patterns import late_pattern

_LINE = late_pattern(
    r"(?::L?|#L?|,? ?\(?lines? )(\d{1,9})(?:[-:–]L?\d{1,9}){0,20}\)?$", re.ASCII | re.IGNORECASE
)
_LINK = late_pattern(r"\[([^\[\]]++)\]\([^()]*+\)")
_MAX_DEPTH = 20
_RENAME = late_pattern(r"^rename from (.+)\nrename to (.+)$", re.MULTILINE)


def renames(diff: str) -> Mapping[str, str]:
    """The new name of each file that `diff` renames, by its old one."""
    return {found[1]: found[2] for found in _RENAME.finditer(diff)}


def settle_places(
    review: ReviewReport,
    existing: Callable[[Collection[str]], Collection[str]],
    changed: Collection[str] = (),
    renamed: Mapping[str, str] | None = None,
) -> ReviewReport:
    """`review` with every issue's file and line as git names them.

    `existing` returns those of the paths that the repository has; it is asked at most once, and not
    at all when no issue's file is written in another form than git's. `changed` are the paths of
    the work, `renamed` the new names of old paths.
    """
    review = _settle(review, existing, {path.casefold(): path for path in changed})
    return _follow(review, renamed) if renamed else review


def _follow(review: ReviewReport, renamed: Mapping[str, str]) -> ReviewReport:
    issues = tuple(
        issue.model_copy(update={"file": renamed.get(issue.file, issue.file)})
        for issue in review.blocking_issues
    )
    return review.model_copy(update={"blocking_issues": issues})


def _settle(
    review: ReviewReport,
    existing: Callable[[Collection[str]], Collection[str]],
    changed: Mapping[str, str],
) -> ReviewReport:
    proposals = [
        tuple(dict.fromkeys(possible_paths(issue.file))) for issue in review.blocking_issues
    ]
    wanted = {path for paths in proposals if len(paths) > 1 for path in paths}
    names = set(changed.values())
    files = {issue.file for issue in review.blocking_issues} - names
    wanted |= {file for file in files if file.casefold() in changed}
    if not wanted:
        return review
    known = existing(wanted)
    pairs = zip(review.blocking_issues, proposals, strict=True)
    issues = tuple(_settled(issue, paths, known, changed) for issue, paths in pairs)
    return review.model_copy(update={"blocking_issues": issues})


def _settled(
    issue: ReportedIssue,
    paths: tuple[str, ...],
    known: Collection[str],
    changed: Mapping[str, str],
) -> ReportedIssue:
    """The issue at the first of `paths` that is known; else in the place as it is written."""
    if not paths or issue.file in known or issue.file in changed.values():
        return issue
    bare, line = _split(issue.file)
    likely = [path for path in paths if path in known]
    likely += [changed[path.casefold()] for path in paths if path.casefold() in changed]
    file = likely[0] if likely else bare
    return issue.model_copy(update={"file": file, "line": issue.line or line})


def _bare(file: str) -> str:
    """`file` without what Markdown or a chat puts around a path: quotes, a link, an `@`."""
    text = file.strip().strip("`'\"")
    link = _LINK.fullmatch(text)
    return (link[1] if link else text).strip("`").removeprefix("@")


def _split(file: str) -> tuple[str, int | None]:
    """The file and the line in `calc.py:5`, `calc.py:5-6`, `calc.py#L5` or `calc.py (line 5)`."""
    text = _bare(file)
    found = _LINE.search(text)
    if found is None or not found.start():
        return text, None
    return text[: found.start()], int(found[1]) or None


def possible_paths(file: str) -> Iterator[str]:
    """The paths that `file` may mean, from the root of the repository."""
    if not file:
        return
    yield file
    for text in (_bare(file), _split(file)[0]):
        yield from _without_prefix(text.removeprefix("file://"))
        if "\\" in text:
            yield from _without_prefix(text.replace("\\", "/"))


def _without_prefix(text: str) -> Iterator[str]:
    """`text` from the root; of an absolute path every end, of one in a diff also what follows."""
    parts = [part for part in text.split("/") if part not in {"", "."}][-_MAX_DEPTH:]
    if not parts or ".." in parts:
        return
    is_absolute = text.startswith("/") or parts[0][1:2] == ":"
    prefix = int(len(parts) > 1 and parts[0] in {"a", "b"})
    for start in range(len(parts) if is_absolute else 1 + prefix):
        yield "/".join(parts[start:])
