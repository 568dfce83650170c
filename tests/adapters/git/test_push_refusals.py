"""What GitHub prints of a refused push, read into what is recorded of it."""

from __future__ import annotations

import pytest

from loop_kit.adapters.git.refusals import push_refusal
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop.push_refusal import MAX_WORDS, Place, PushRefusal, RefusalKind

BRANCHES = Branches("loop", "T-001")
WORK, STATE = "loop/T-001/work", "loop/T-001/state"
ADDRESS = "https://x-access-token:ghs_secret@github.com/octo/demo"


def printed(ref: str, reason: str, *lines: str) -> str:
    """The output of `git push --porcelain --atomic` of both branches, of which `ref` is refused."""
    rows = [
        f"!\t1f2e3d:refs/heads/{branch}\t[remote rejected] "
        f"({reason if branch == ref else 'atomic push failure'})"
        for branch in (STATE, WORK)
    ]
    remote = [f"remote: {line}        " for line in lines]
    return "\n".join(
        [f"To {ADDRESS}", *rows, "Done", *remote, f"error: failed to push some refs to '{ADDRESS}'"]
    )


def read(output: str, *, token_worked: bool = True) -> PushRefusal:
    return push_refusal(output, BRANCHES, pushes_work=True, token_worked=token_worked)


SECRET = printed(
    WORK,
    "push declined due to repository rule violations",
    f"error: GH013: Repository rule violations found for refs/heads/{WORK}.",
    "",
    "- GITHUB PUSH PROTECTION",
    "  —————————————————————————————————————————",
    "    Resolve the following violations before pushing again",
    "",
    "    - Push cannot contain secrets",
    "",
    "      —— GitHub Personal Access Token ——————————————————————",
    "       locations:",
    "         - commit: 1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c",
    "           path: settings.py:3",
    "         - commit: 1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c",
    "           path: docs/how to.md:12",
)
LARGE = printed(
    WORK,
    "pre-receive hook declined",
    "error: Trace: 3f1c",
    "error: See https://gh.io/lfs for more information.",
    "error: File data/big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB",
    "error: GH001: Large files detected. You may want to try Git Large File Storage.",
)
GH013 = f"error: GH013: Repository rule violations found for refs/heads/{WORK}."
DECLINED = "push declined due to repository rule violations"
WORKFLOW = "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml`"


def test_push_protection_names_the_kind_of_secret_and_where_it_is() -> None:
    refusal = read(SECRET)

    assert (refusal.kind, refusal.branch) == (RefusalKind.SECRET, WORK)
    assert refusal.places == (
        Place(path="settings.py", line=3),
        Place(path="docs/how to.md", line=12),
    )
    assert "GitHub Personal Access Token" in refusal.sentence
    assert "settings.py:3" in refusal.sentence
    assert "Exempt" not in refusal.remedy


def test_a_large_file_is_named() -> None:
    refusal = read(LARGE)

    assert (refusal.kind, refusal.places) == (RefusalKind.CONTENT, (Place(path="data/big.bin"),))


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([GH013, "- Commit message must match a given pattern: ^JIRA-"], RefusalKind.CONTENT),
        ([GH013, "- File path is restricted: infra/main.tf"], RefusalKind.CONTENT),
        ([GH013, "- Commits must have verified signatures."], RefusalKind.RULE),
        ([GH013, "- Cannot create ref due to creations being restricted."], RefusalKind.RULE),
        (
            [f"error: GH006: Protected branch update failed for refs/heads/{WORK}."],
            RefusalKind.RULE,
        ),
        (["a hook of this server says no"], RefusalKind.RULE),
    ],
)
def test_a_rule_is_about_content_or_about_the_branch(lines: list[str], kind: RefusalKind) -> None:
    refusal = read(printed(WORK, DECLINED, *lines))

    assert refusal.kind is kind
    assert lines[-1] in refusal.words


def test_workflow_files_and_missing_rights_are_about_who_pushes() -> None:
    denied = "fatal: unable to access 'https://github.com/octo/demo/': error: 403"

    assert (
        read(printed(WORK, f"{WORKFLOW} without `workflows` permission")).kind is RefusalKind.RIGHTS
    )
    assert read(f"The requested URL returned {denied}").kind is RefusalKind.RIGHTS


def test_a_token_that_was_accepted_before_has_expired() -> None:
    refused = f"fatal: Authentication failed for '{ADDRESS}'"

    assert read(refused).kind is RefusalKind.TOKEN
    assert "expired" in read(refused).sentence
    assert read(refused, token_worked=False).kind is RefusalKind.RIGHTS


def test_what_may_pass_is_a_fault() -> None:
    assert read("error: RPC failed; HTTP 502").kind is RefusalKind.FAULT


def test_the_branch_that_is_named_is_the_one_that_was_refused() -> None:
    own = Branches("loop", "T-001", "release/2.x")
    rule = "error: GH006: Protected branch update failed for refs/heads/release/2.x."
    output = printed(STATE, "atomic push failure", rule)

    refusal = push_refusal(output, own, pushes_work=True, token_worked=True)

    assert (refusal.branch, refusal.of_state) == ("release/2.x", False)
    assert "loop/**" not in f"{refusal.sentence} {refusal.remedy}"
    assert read(printed(STATE, "pre-receive hook declined")).of_state


def test_the_words_are_whole_bounded_and_without_a_login() -> None:
    refusal = read(printed(WORK, DECLINED, *(f"line {n} of {ADDRESS}" for n in range(20))))
    endless = read(printed(WORK, DECLINED, *("x" * 80 for _ in range(1000))))

    assert refusal.words.splitlines()[19] == "line 19 of https://github.com/octo/demo"
    assert "ghs_secret" not in refusal.model_dump_json()
    assert len(endless.words) == MAX_WORDS
