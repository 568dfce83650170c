"""What a worker commits is rewritten as ours: its words act on nothing, its files stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, make_local

from loop_kit.adapters.git.command import Identity
from loop_kit.adapters.git.rewriting import Rewriter
from loop_kit.errors import GitFailed

NOW = 1_700_000_000
DAY = 24 * 3600
WORDS = "fixes #1 [skip ci]\n\nthanks @octocat\n\nSigned-off-by: Mona <mona@example.com>\n"
MONA = Identity("Mona", "mona@example.com").environment()

Commit = Callable[..., str]


@pytest.fixture
def base(local: Local) -> str:
    """A person's commit, with words that act."""
    return commit_tree(local, local.head, message=WORDS, env=MONA)


def commit_tree(
    local: Local,
    *parents: str,
    message: str = WORDS,
    at: int | str = NOW,
    env: Mapping[str, str] = MONA,
) -> str:
    tree = local.git.text("rev-parse", "HEAD^{tree}")
    dates = {"GIT_AUTHOR_DATE": f"{at} +0200", "GIT_COMMITTER_DATE": f"{at} +0200"}
    args = [word for parent in parents for word in ("-p", parent)]
    done = local.git.run("commit-tree", tree, *args, stdin=message.encode(), env={**env, **dates})
    return done.out.decode().strip()


def rewrite(local: Local, head: str, *known: str, now: float = NOW) -> str:
    return Rewriter(local.git, IDENTITY, now).rewrite(head, known)


def raw(local: Local, sha: str) -> str:
    return local.git.text("cat-file", "commit", sha)


def count_programs(local: Local, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    started: list[str] = []
    run = local.git.run

    def counting(*args: str, **options: object) -> object:
        started.append(args[0])
        return run(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(local.git, "run", counting)
    return started


def test_commits_are_ours_with_plain_words_and_the_same_trees(local: Local, base: str) -> None:
    first = commit_tree(local, base)
    local.commit({"b.py": "b\n"})
    second = commit_tree(local, first, message="Second", at=NOW + 60)

    head = rewrite(local, second, base, now=NOW + 60)

    shown = local.git.text("log", "--format=%an <%ae> %cn <%ce> %at %ct%n%B", f"{base}..{head}")
    who = "loop <loop@example.com> loop <loop@example.com>"
    assert shown.split("\n") == [
        *(f"{who} {NOW + 60} {NOW + 60}", "Second", ""),
        *(f"{who} {NOW} {NOW}", "fixes # 1 (skip ci)", "", "thanks @ octocat"),
    ]
    for old, new in ((second, head), (first, f"{head}^")):
        trees = [local.git.text("rev-parse", f"{sha}^{{tree}}") for sha in (old, new)]
        assert trees[0] == trees[1]
    assert local.git.text("rev-parse", f"{head}~2") == base
    assert WORDS.strip() in raw(local, base)


def test_a_commit_of_that_form_keeps_its_id_and_starts_no_program(
    local: Local, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = commit_tree(local, base, message="Plain\n", env=IDENTITY.environment())
    loud = commit_tree(local, own)
    started = count_programs(local, monkeypatch)

    assert rewrite(local, own, base) == own
    assert started == []
    head = rewrite(local, loud, base)
    assert started == []
    assert head != loud
    assert rewrite(local, head, base) == head == rewrite(local, loud, base, now=NOW + DAY)
    assert local.git.text("rev-parse", f"{head}^") == own


def test_trailers_are_the_last_lines_and_written_once(local: Local, base: str) -> None:
    lines = ("Loop-Id: T-001", "Co-authored-by: Codex <noreply@openai.com>")
    rewriter = Rewriter(local.git, IDENTITY, NOW, lambda _: lines)
    forged = commit_tree(local, base, message="Fix it\n\nLoop-Id: T-9\n")

    head = rewriter.rewrite(forged, [base])

    trailers = local.git.text("log", "-1", "--format=%(trailers:unfold,only)", head)
    assert trailers.split("\n") == list(lines)
    assert raw(local, head).partition("\n\n")[2].startswith("Fix it\n\nLoop-Id")
    assert Rewriter(local.git, IDENTITY, NOW, lambda _: lines).rewrite(head, [base]) == head


def test_work_in_progress_of_an_earlier_attempt_stays(local: Local, base: str) -> None:
    wip = commit_tree(local, base)
    head = rewrite(local, commit_tree(local, wip), wip, base)
    assert local.git.text("rev-parse", f"{head}^") == wip
    again = rewrite(local, commit_tree(local, base, message="Instead"), wip, base)
    assert local.git.text("rev-parse", f"{again}^") == base


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        *((NOW, True), (NOW - DAY, True), (NOW + DAY, True)),
        *((NOW - 2 * DAY, False), (NOW + 2 * DAY, False), (1, False), (32_503_680_000, False)),
    ],
)
def test_a_date_is_near_the_commit_before_and_not_to_come(
    local: Local, base: str, at: int, kept: bool
) -> None:
    head = rewrite(local, commit_tree(local, base, at=f"@{at}"), base)
    shown = local.git.text("log", "-1", "--format=%at %ct", head)
    assert shown == f"{at if kept else NOW} {at if kept else NOW}"
    assert rewrite(local, head, base) == head


def test_headers_that_nobody_needs_are_dropped(local: Local, base: str) -> None:
    plain = raw(local, commit_tree(local, base))
    extra = "encoding latin-1\ngpgsig -----BEGIN-----\n @octocat fixes #1\n -----END-----\nx y"
    head, _, _ = plain.partition("\n\n")
    text = f"{head}\n{extra}\n\nGr\xf6\xdfe".encode("latin-1")
    sha = local.git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=text).out.decode()
    found = raw(local, rewrite(local, sha.strip(), base))
    assert found.endswith("\n\nGröße")
    assert [line.split()[0] for line in found.split("\n\n")[0].split("\n")] == [
        *("tree", "parent", "author", "committer")
    ]


def test_a_merge_keeps_its_parents_and_what_a_branch_has_already(local: Local, base: str) -> None:
    theirs = commit_tree(local, base, message="Theirs, fixes #9")
    local.git.run("update-ref", "refs/heads/theirs", theirs)
    side, main = commit_tree(local, base, message="Side, fixes #2"), commit_tree(local, base)
    merge = commit_tree(local, main, side, theirs, message="Merge @octocat")

    head = rewrite(local, merge, base)

    lines = local.git.text("log", "--format=%an %s", f"{base}..{head}").splitlines()
    assert sorted(lines) == [
        *("Mona Theirs, fixes #9", "loop Merge @ octocat"),
        *("loop Side, fixes # 2", "loop fixes # 1 (skip ci)"),
    ]
    assert local.git.text("rev-parse", f"{head}^3") == theirs
    assert rewrite(local, head, base) == head


def test_what_does_not_build_on_the_known_commit_is_left_to_whoever_refuses_it(
    local: Local, base: str
) -> None:
    root = commit_tree(local, at=NOW)
    for head in (root, commit_tree(local, root), commit_tree(local, root, local.head), local.head):
        assert rewrite(local, head, base) == head


def test_a_shallow_history_is_no_fault(local: Local, base: str) -> None:
    assert rewrite(local, commit_tree(local, base), commit_tree(local, base, message="X"))
    local.git.run("update-ref", "refs/heads/main", base)
    (local.root / ".git" / "shallow").write_text(f"{base}\n")
    assert rewrite(local, commit_tree(local, base), base) != base


@pytest.mark.parametrize("kind", ["sha256"])
def test_a_repository_with_longer_ids(tmp_path: Path, kind: str) -> None:
    local = make_local(tmp_path / "first")
    other = tmp_path / kind
    local.git.run("init", "--quiet", f"--object-format={kind}", str(other))
    longer = Local(other, local.git.at(other))
    longer.commit({"a.py": "a\n"})
    base = longer.head
    head = rewrite(longer, commit_tree(longer, base), base, now=time.time())
    assert len(head) == 64
    assert longer.git.text("rev-parse", f"{head}^") == base


def test_too_large_a_message_and_too_many_commits_go_back_to_the_worker(
    local: Local, base: str
) -> None:
    with pytest.raises(GitFailed, match="is too long: 3"):
        rewrite(local, commit_tree(local, base, message="x" * 300_000), base)
    script = "".join(
        f"commit refs/heads/many\ncommitter M <m@example.com> {NOW} +0000\ndata 1\nx\n"
        + (f"from {base}\n\n" if number == 0 else "\n")
        for number in range(1_001)
    )
    local.git.run("fast-import", "--quiet", stdin=script.encode())
    many = local.git.text("rev-parse", "refs/heads/many")
    local.git.run("update-ref", "-d", "refs/heads/many")
    assert len(rewrite(local, f"{local.git.text('rev-parse', f'{many}^')}", base)) == 40
    with pytest.raises(GitFailed, match="more than 1000 commits"):
        rewrite(local, many, base)
