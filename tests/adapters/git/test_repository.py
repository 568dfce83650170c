"""Named questions to git, asked about histories that a hostile worker could make."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.card.scope import GITLINK, SYMLINK, ScopeRules, judge
from loop_kit.errors import GitFailed

LIMIT = 1024 * 1024


@pytest.fixture
def repository(local: Local) -> GitRepository:
    return GitRepository(local.git)


def test_the_paths_that_one_of_the_commits_has_are_found(
    local: Local, repository: GitRepository
) -> None:
    base = local.head
    head = local.commit({"src/b\u2028.py": "b\n"}, "Add a file")
    (local.root / "a.py").unlink()
    head = local.commit({"new.py": "new\n"}, "Delete another")
    outside = ("../a.py", "/a.py", "", "a\nb", "x\0")
    there = {"a.py", "src", "src/b\u2028.py", "new.py"}

    assert repository.existing((head, base), (*there, "b.py", *outside)) == there
    assert repository.existing((base,), there) == {"a.py"}
    assert repository.existing((head,), ()) == frozenset()


def test_a_span_lists_the_commits_newest_first_with_what_each_changed(
    local: Local, repository: GitRepository
) -> None:
    base = local.head
    one = local.commit({"b.py": "b\n"}, "One")
    (local.root / "a.py").unlink()
    two = local.commit({"b.py": "bb\n"}, "Two")

    span = repository.span(base, two)

    assert (span.descends, span.same_tree) == (True, False)
    assert [c.subject for c in span.commits] == [f"{two[:7]} Two", f"{one[:7]} One"]
    assert [(c.path, c.old_mode, c.mode, c.size) for c in span.commits[0].changes] == [
        ("a.py", "100644", "000000", 0),
        ("b.py", "100644", "100644", 3),
    ]


def test_nothing_happened_is_an_empty_span(local: Local, repository: GitRepository) -> None:
    span = repository.span(local.head, local.head)
    assert (span.descends, span.same_tree, span.commits) == (True, True, ())


def test_changes_that_were_taken_back_leave_the_same_tree(
    local: Local, repository: GitRepository
) -> None:
    base = local.head
    local.commit({"a.py": "x\n"})
    head = local.commit({"a.py": "one\ntwo\nthree\n"})
    span = repository.span(base, head)
    assert (span.same_tree, len(span.commits)) == (True, 2)


def test_rewritten_history_does_not_descend(local: Local, repository: GitRepository) -> None:
    base = local.head
    later = local.commit({"b.py": "b\n"})
    local.git.run("reset", "--quiet", "--hard", base)
    other = local.commit({"c.py": "c\n"})
    local.git.run("checkout", "--quiet", "--orphan", "root")
    orphan = local.commit({})
    assert not repository.span(later, other).descends
    assert not repository.span(later, base).descends
    assert not repository.span(base, orphan).descends


def test_a_merge_shows_its_parents(local: Local, repository: GitRepository) -> None:
    base = local.head
    local.git.run("checkout", "--quiet", "-b", "side")
    local.commit({"side.py": "x\n"})
    local.git.run("checkout", "--quiet", "main")
    local.commit({"main.py": "x\n"})
    who = IDENTITY.environment()
    local.git.run("merge", "--quiet", "--no-edit", "side", env=who)
    span = repository.span(base, local.head)
    assert span.descends
    assert sorted(commit.parents for commit in span.commits) == [1, 1, 2]
    assert [v.kind for v in judge(span.commits, ScopeRules())] == ["scope"]


def test_links_gitlinks_and_modes_are_seen(local: Local, repository: GitRepository) -> None:
    base = local.head
    (local.root / "link").symlink_to("../outside")
    (local.root / "a.py").chmod(0o755)
    local.git.run("update-index", "--add", "--cacheinfo", f"{GITLINK},{base},sub")
    who = IDENTITY.environment()
    local.git.run("add", "link", "a.py")
    local.git.run("commit", "--quiet", "--message", "Odd", env=who)

    changes = {c.path: c for c in repository.span(base, local.head).commits[0].changes}

    assert (changes["link"].mode, changes["link"].link) == (SYMLINK, "../outside")
    assert changes["sub"].mode == GITLINK
    assert (changes["a.py"].old_mode, changes["a.py"].mode) == ("100644", "100755")


ODD = ["new\nline", ":100644 100644 x y M", "\x01>deadbeef", "tab\there", "ümlaut", " lead", "\nx"]


def test_a_path_cannot_pose_as_anything_else(local: Local, repository: GitRepository) -> None:
    base = local.head
    for name in ODD:
        local.write(name, "x\n")
    os.close(os.open(os.fsencode(local.root) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    local.commit({})
    (commit,) = repository.span(base, local.head).commits
    assert sorted(c.path for c in commit.changes) == sorted([*ODD, "\\xff"])
    assert {c.size for c in commit.changes} == {0, 2}


SUBJECTS = [
    ":100644 100644 0000 1111 M",
    "\x02 \x01> 0000",
    "::error::x",
    "-- -u",
    "\x1b[31mred",
    "ü" * 500,
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_hostile_subject_is_only_a_subject(
    local: Local, repository: GitRepository, subject: str
) -> None:
    base = local.head
    head = local.commit({"b.py": "b\n"}, subject)
    (commit,) = repository.span(base, head).commits
    assert (commit.sha, commit.parents) == (head, 1)
    assert [change.path for change in commit.changes] == ["b.py"]
    assert commit.subject == f"{head[:7]} {subject.strip()}"


def test_a_commit_message_in_another_encoding_is_data(
    local: Local, repository: GitRepository
) -> None:
    base, tree = local.head, local.git.text("rev-parse", "HEAD^{tree}")
    args = ("commit-tree", tree, "-p", base, "-F", "-")
    made = local.git.run(*args, stdin=b"caf\xe9\n", env=IDENTITY.environment())
    (commit,) = repository.span(base, made.out.decode().strip()).commits
    assert b"caf" in commit.subject.encode()


def test_a_commit_that_is_not_here_is_said(local: Local, repository: GitRepository) -> None:
    with pytest.raises(GitFailed):
        repository.span(local.head, "1" * 40)


def test_the_net_change_forgets_what_was_taken_back(
    local: Local, repository: GitRepository
) -> None:
    base = local.head
    local.commit({"secret.txt": "x\n", "kept.txt": "x\n"})
    (local.root / "secret.txt").unlink()
    head = local.commit({"kept.txt": "longer\n"})
    net = repository.net_change(base, head)
    assert [(c.path, c.size) for c in net.changes] == [("kept.txt", 7)]
    assert net.parents == 1
    assert repository.net_change(head, head).changes == ()


def test_a_diff_counts_files_and_lines(
    local: Local, repository: GitRepository, tmp_path: Path
) -> None:
    base = local.head
    (local.root / "run.sh").rename(local.root / "go.sh")
    head = local.commit({"a.py": "one\nthree\nfour\n", "blob": bytes(range(256))})
    diff = repository.diff(base, head, LIMIT, tmp_path / "p" / "x.patch")
    assert (diff.files, diff.lines_added, diff.lines_deleted) == (3, 1, 1)
    assert (diff.truncated, diff.patch) == (False, None)
    assert "-two\n" in diff.text
    assert "rename from run.sh" in diff.text
    assert list((tmp_path / "p").iterdir()) == []


def test_an_empty_diff_is_empty(local: Local, repository: GitRepository, tmp_path: Path) -> None:
    diff = repository.diff(local.head, local.head, LIMIT, tmp_path / "x.patch")
    assert (diff.text, diff.files) == ("", 0)


def test_a_long_diff_is_cut_and_left_whole_beside(
    local: Local, repository: GitRepository, tmp_path: Path
) -> None:
    base = local.head
    head = local.commit({"long.txt": "x" * 79 + "\n" + "line\n" * 5000})
    diff = repository.diff(base, head, 1000, tmp_path / "x.patch")
    assert (diff.truncated, len(diff.text), diff.lines_added) == (True, 1000, 5001)
    assert diff.patch is not None
    assert diff.patch.read_text().count("+line\n") == 5000


def test_a_diff_shows_the_same_whatever_is_configured(local: Local, tmp_path: Path) -> None:
    base = local.head
    local.commit({"a.py": "one\nTWO\nthree\n", "sp ace.py": "x\n"})
    head = local.commit({"b.py": "b\n"})
    plain = GitRepository(local.git).diff(base, head, LIMIT, tmp_path / "x.patch")
    marker = tmp_path / "owned"
    trap = f"touch {marker}; echo hidden"
    settings = {
        "diff.external": trap, "diff.evil.command": trap, "diff.evil.textconv": trap,
        "color.ui": "always", "diff.noprefix": "true", "diff.mnemonicPrefix": "true",
        "diff.context": "0", "diff.renames": "false", "diff.algorithm": "patience",
        "diff.submodule": "log", "diff.ignoreSubmodules": "all", "core.abbrev": "4",
    }  # fmt: skip
    for name, value in settings.items():
        local.git.run("config", name, value)
    local.write(".git/info/attributes", "*.py diff=evil\n")
    again = GitRepository(local.git).diff(base, head, LIMIT, tmp_path / "x.patch")
    assert again.text == plain.text
    assert not marker.exists()


@pytest.mark.parametrize(
    "rule", ["*.py -diff", "*.py binary", "a.py -text -diff linguist-generated"]
)
def test_a_worker_cannot_hide_its_change_by_attributes(
    local: Local, repository: GitRepository, tmp_path: Path, rule: str
) -> None:
    base = local.head
    head = local.commit({".gitattributes": f"{rule}\n", "a.py": "evil\n"})
    diff = repository.diff(base, head, LIMIT, tmp_path / "x.patch")
    assert "+evil\n" in diff.text
    assert diff.lines_added == 2


def test_attributes_at_the_base_count(
    local: Local, repository: GitRepository, tmp_path: Path
) -> None:
    base = local.commit({".gitattributes": "a.py -diff\n"})
    (local.root / ".gitattributes").unlink()
    head = local.commit({"a.py": "generated\n"})
    diff = repository.diff(base, head, LIMIT, tmp_path / "x.patch")
    assert "+generated" not in diff.text
    assert "Binary files a/a.py and b/a.py differ" in diff.text


def test_a_file_is_read_at_its_commit(local: Local, repository: GitRepository) -> None:
    base = local.head
    local.commit({"a.py": "later\n", "b": b"\xff\x00"})
    assert repository.read(base, "a.py") == b"one\ntwo\nthree\n"
    assert repository.read(local.head, "b") == b"\xff\x00"
    for path in ("nowhere", "../a.py", "", "a.py/b", "-u"):
        assert repository.read(base, path) is None


def test_a_file_over_a_mebibyte_stops_nothing(local: Local, repository: GitRepository) -> None:
    local.commit({"AGENTS.md": "x" * (LIMIT + 1)})
    raw = repository.read(local.head, "AGENTS.md")
    assert raw is None or len(raw) <= LIMIT


def test_revisions_resolve_to_commits_or_to_nothing(
    local: Local, repository: GitRepository
) -> None:
    assert repository.resolve("main") == local.head
    assert repository.resolve(local.head[:8]) == local.head
    for revision in ("nowhere", "HEAD:a.py", "--all", "", "HEAD^{tree}"):
        assert repository.resolve(revision) is None


def test_a_shallow_checkout_answers_too(local: Local, tmp_path: Path) -> None:
    local.commit({"b.py": "b\n"})
    Git(tmp_path, environment(tmp_path)).run(
        "clone", "--quiet", "--depth=1", f"file://{local.root}", "shallow"
    )
    shallow = Local(tmp_path / "shallow", local.git.at(tmp_path / "shallow"))
    base = shallow.head
    head = shallow.commit({"c.py": "c\n"})
    span = GitRepository(shallow.git).span(base, head)
    assert (span.descends, [c.parents for c in span.commits]) == (True, [1])
