"""Which commit brought in a line, in repositories of every shape, and whatever a worker did."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Hosted, Local, environment
from tests.support.git_client import WorkingCopy
from tests.support.git_log import GitLog

from loop_kit.adapters.git import origins
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.partial_checkout import PartialCheckout
from loop_kit.adapters.git.remote import Remote, fetch_commit
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.core.card.scope import GITLINK
from loop_kit.core.loop.provenance import NOWHERE, Spot
from loop_kit.errors import GitFailed

LINES = "".join(f"line {number}\n" for number in range(1, 21))


def origin(git: Git, commits: list[str], file: str, line: int | None = None) -> str | None:
    """Which of the commits, oldest first, brought in a place."""
    spot = Spot(file, line)
    return GitRepository(git).origins(commits[:1], commits[1:], [spot])[spot]


ODD = (
    "with space.py",
    "ümlaut.py",
    "new\nline.py",
    "tab\there.py",
    ":(top)a.py",
    "-L.py",
    '"q".py',
)


@pytest.mark.parametrize("name", ODD)
def test_any_name_is_only_a_name(local: Local, name: str) -> None:
    base = local.commit({name: "one\ntwo\n"})
    head = local.commit({name: "one\n2\n"})
    assert origin(local.git, [base, head], name, 1) == base
    assert origin(local.git, [base, head], name, 2) == head
    assert origin(local.git, [base, head], name) == head


@pytest.mark.parametrize("name", ["/a.py", "../a.py", "./a.py", "", "a.py/", "a\0.py"])
def test_what_is_no_path_of_a_commit_is_nowhere(local: Local, name: str) -> None:
    base = local.head
    head = local.commit({"b.py": "b\n"})
    assert origin(local.git, [base, head], name, 1) == NOWHERE


def test_a_renamed_file_and_a_block_that_moved_inside_it_keep_their_commit(local: Local) -> None:
    base = local.commit({"old.py": LINES})
    rows = LINES.splitlines(keepends=True)
    (local.root / "old.py").unlink()
    head = local.commit({"new.py": "".join([*rows[10:], *rows[:10]])})
    assert origin(local.git, [base, head], "new.py", 1) == base
    assert origin(local.git, [base, head], "new.py", 15) == base


@pytest.fixture
def log(tmp_path: Path) -> GitLog:
    """What git is started for by `logged`."""
    return GitLog(tmp_path / "log")


@pytest.fixture
def logged(local: Local, log: GitLog, tmp_path: Path) -> Git:
    return Git(local.root, {**environment(tmp_path), **log.environment()}, isolated=True)


def blames(log: GitLog) -> int:
    return sum(" blame " in call for call in log.calls)


def test_a_line_that_is_plainly_of_one_commit_is_found_without_a_program(
    local: Local, logged: Git, log: GitLog
) -> None:
    commits = [local.commit({"a.py": "one\ntwo\nend\n"})]
    for number in range(1, 5):
        new = "".join(f"line {n}\n" for n in range(1, number + 1))
        commits.append(local.commit({"a.py": f"one\n  two\n{new}end\n"}))
    found = [origin(logged, commits, "a.py", line) for line in (1, 3, 4, 5, 6, 7)]
    assert found == [commits[0], *commits[1:], commits[0]]
    assert blames(log) == 0


@pytest.mark.parametrize(
    "now",
    ["two\none\n", "one\ntwo\ntwo\n", "one\nnew\ntwo\nnew\n", "two\n"],
    ids=["moved", "twice", "changed on both sides", "beside a removal"],
)
def test_git_is_asked_about_a_line_whose_origin_is_not_plain(
    local: Local, logged: Git, log: GitLog, now: str
) -> None:
    base = local.commit({"a.py": "one\ntwo\n"})
    head = local.commit({"a.py": f"{now}"})
    last = now.split("\n").index("two") + 1
    assert origin(logged, [base, head], "a.py", last) is not None
    assert blames(log) == 1


def test_a_line_of_white_space_or_of_no_earlier_file_is_asked_of_git(
    local: Local, logged: Git, log: GitLog
) -> None:
    base = local.commit({"a.py": "one\n"})
    head = local.commit({"a.py": "one\n\nend\n", "b.py": "new\n"})
    assert origin(logged, [base, head], "a.py", 2) == head
    assert origin(logged, [base, head], "b.py", 1) == head
    assert origin(logged, [base, head], "a.py", 99) == NOWHERE
    assert blames(log) == 3


def test_a_new_line_that_another_base_has_is_not_of_the_last_commit(local: Local) -> None:
    base = local.commit({"a.py": "one\n"})
    other = local.commit({"a.py": "one\nmerged from the base branch\n"})
    head = local.commit({"a.py": "one\nmerged from the base branch\nnew\n"})
    spots = [Spot("a.py", 2), Spot("a.py", 3)]
    found = GitRepository(local.git).origins([base, other], [head], spots)
    assert found == {spots[0]: base, spots[1]: head}


@pytest.mark.parametrize("between", ["\f", "\v"])
def test_what_git_takes_for_no_white_space_is_a_change(local: Local, between: str) -> None:
    base = local.commit({"a.py": "one\ntwowords\n"})
    first = local.commit({"a.py": f"one\ntwo{between}words\n"})
    last = local.commit({"a.py": f"one\ntwo{between}words\nend\n"})
    assert origin(local.git, [base, first, last], "a.py", 2) == first


def test_links_folders_and_submodules_are_of_the_commit_that_changed_them_last(
    local: Local,
) -> None:
    (local.root / "link").symlink_to("a.py")
    base = local.commit({"pkg/a.py": "a\n", "kept/a.py": "a\n"})
    local.git.run("update-index", "--add", "--cacheinfo", f"{GITLINK},{base},sub")
    local.git.run("commit", "--quiet", "--message", "Sub", env=IDENTITY.environment())
    first = local.head
    (local.root / "sub").mkdir()
    (local.root / "link").unlink()
    (local.root / "link").symlink_to("b.py")
    second = local.commit({"pkg/b.py": "b\n"})

    commits = [base, first, second]
    assert origin(local.git, commits, "sub", 1) == first
    assert origin(local.git, commits, "link", 1) == second
    assert origin(local.git, commits, "pkg", 3) == second
    assert origin(local.git, commits, "kept") == base


def test_a_binary_file_has_lines_too(local: Local) -> None:
    base = local.commit({"data.bin": b"\0one\n\0two\n"})
    head = local.commit({"data.bin": b"\0one\n\0three\n"})
    assert origin(local.git, [base, head], "data.bin", 1) == base
    assert origin(local.git, [base, head], "data.bin", 2) == head


def test_a_file_that_is_too_large_and_files_beyond_the_limit_are_unknown(local: Local) -> None:
    files = {f"f{n:02}.py": "x\n" for n in range(origins.MAX_FILES)}
    base = local.commit({**files, "large.txt": b"x" * 99 + b"\n"})
    head = local.commit({"large.txt": b"0123456789\n" * 1_000_000})
    assert origin(local.git, [base, head], "large.txt", 3) is None
    assert origin(local.git, [base, head], "large.txt") == head

    spots = [Spot(name, 1) for name in (*files, "a.py")]
    found = GitRepository(local.git).origins([base], [head], spots)
    assert [found[spot] for spot in spots] == [base] * origins.MAX_FILES + [None]


def test_of_many_rounds_the_first_and_the_last_are_told_apart(local: Local) -> None:
    count = origins.MAX_HEADS + 3
    text = "old\n"
    commits = [local.commit({"many.py": text})]
    for number in range(count):
        text += f"round {number}\n"
        commits.append(local.commit({"many.py": text}))
    spots = [Spot("many.py", line) for line in (1, 2, 3, count, count + 1)]
    found = GitRepository(local.git).origins(commits[:1], commits[1:], spots)
    oldest = commits[1 - origins.MAX_HEADS]
    assert [found[spot] for spot in spots] == [*commits[:2], oldest, commits[-2], commits[-1]]


def test_no_configuration_and_no_attribute_changes_the_answer(local: Local) -> None:
    base = local.head
    head = local.commit({"a.py": "one\n2\nthree\n", ".gitattributes": "*.py diff=shout\n"})
    local.git.run("config", "blame.ignoreRevsFile", "no-such-file")
    local.git.run("config", "blame.markIgnoredLines", "true")
    local.git.run("config", "diff.shout.textconv", "false")
    assert origin(local.git, [base, head], "a.py", 2) == head


def test_the_repository_is_only_read(local: Local) -> None:
    base = local.head
    head = local.commit({"a.py": "one\n2\nthree\n"})
    before = sorted(path for path in (local.root / ".git").rglob("*"))
    assert origin(local.git, [base, head], "a.py", 2) == head
    assert sorted(path for path in (local.root / ".git").rglob("*")) == before


def test_a_worker_cannot_make_its_lines_old(local: Local) -> None:
    base = local.head
    local.git.run("checkout", "--quiet", "--orphan", "elsewhere")
    local.commit({"a.py": "one\nmine\nthree\n"})
    local.git.run("checkout", "--quiet", "main")
    who = IDENTITY.environment() | {"GIT_COMMITTER_DATE": "@9 +0000"}
    merge = ("merge", "--quiet", "--no-edit", "--allow-unrelated-histories", "-X", "theirs")
    local.git.run(*merge, "elsewhere", env=who)
    assert origin(local.git, [base, local.head], "a.py", 2) == local.head


def test_the_commits_between_two_heads_do_not_count(local: Local) -> None:
    base = local.head
    local.commit({"a.py": "one\nfirst try\nthree\n"})
    head = local.commit({"a.py": "one\nsecond try\nthree\n", "b.py": "b\n"})
    last = local.commit({"b.py": "bb\n"})
    assert origin(local.git, [base, head, last], "a.py", 2) == head


def test_a_commit_that_changes_nothing_is_passed_over(local: Local) -> None:
    base = local.head
    first = local.commit({"a.py": "one\n2\nthree\n"})
    empty = local.commit({})
    assert origin(local.git, [base, first, empty], "a.py", 2) == first
    assert origin(local.git, [base, base], "a.py", 2) == base


def test_sha256_is_a_repository_like_any_other(tmp_path: Path) -> None:
    git = Git(tmp_path, environment(tmp_path), isolated=True)
    git.run("init", "--quiet", "--object-format=sha256", "--initial-branch=main", "r")
    local = Local(tmp_path / "r", git.at(tmp_path / "r"))
    base = local.commit({"a.py": "one\ntwo\n"})
    head = local.commit({"a.py": "one\n2\n"})
    assert origin(local.git, [base, head], "a.py", 1) == base
    assert origin(local.git, [base, head], "a.py", 2) == head


def test_a_repository_may_borrow_its_objects_and_be_in_a_folder_with_any_name(
    local: Local, tmp_path: Path
) -> None:
    base = local.head
    head = local.commit({"a.py": "one\n2\nthree\n"})
    clone = tmp_path / 'a "quoted" folder'
    local.git.run("clone", "--quiet", "--shared", str(local.root), str(clone))
    worktree = tmp_path / "worktree"
    local.git.run("worktree", "add", "--quiet", str(worktree), head)
    for place in (clone, worktree):
        assert origin(local.git.at(place), [base, head], "a.py", 2) == head


def test_git_is_started_once_for_each_file_with_findings(local: Local, tmp_path: Path) -> None:
    base = local.commit({"b.py": "b\n", "c.py": "c\n"})
    head = local.commit({"a.py": "one\n2\nthree\n", "b.py": "bb\n"})
    log = GitLog(tmp_path / "log")
    git = Git(local.root, {**environment(tmp_path), **log.environment()}, isolated=True)
    asked = [Spot("a.py", 2), Spot("a.py", 3), Spot("b.py", 1), Spot("b.py", 9), Spot("no.py", 1)]

    GitRepository(git).origins([base], [head], asked)

    assert sum(" blame " in call for call in log.calls) == 2
    assert len([call for call in log.calls if " cat-file " not in call]) <= 5


def test_a_head_that_is_not_here_is_an_error(local: Local) -> None:
    with pytest.raises(GitFailed):
        origin(local.git, [local.head, "f" * 40], "a.py", 1)


# --- checkouts of jobs ---------------------------------------------------------------------


@pytest.fixture
def rounds(hosted: Hosted) -> list[str]:
    """The base, and the heads of three rounds; round 1 had two commits."""
    bare = hosted.bare
    base = bare.head("main") or ""
    bare.commit_files("work", {"calc.py": LINES}, parent=base)
    heads = [bare.commit_files("work", {"calc.py": f"{LINES}line 21\n"})]
    heads.append(bare.commit_files("work", {"calc.py": f"{LINES}line 21\nline 22\n"}))
    heads.append(bare.commit_files("work", {"calc.py": f"{LINES}line 21\nline 22\nline 23\n"}))
    return [base, *heads]


def checkout(hosted: Hosted, *options: str) -> Git:
    path = hosted.root / "job"
    WorkingCopy.clone(hosted.url, path, "bot", *options)
    return Git(path, environment(hosted.root), isolated=True)


def fetch(hosted: Hosted, git: Git, *shas: str) -> None:
    """Fetch commits without their history, as a job does: the base, and the tip of the work."""
    for sha in shas:
        fetch_commit(git, Remote(hosted.url, hosted.server.url, "bot"), sha)


SHAPES = {
    "whole": (),
    "shallow": ("--depth=1",),
    "shallow and blobless": ("--depth=1", "--filter=blob:none"),
    "treeless": ("--filter=tree:0", "--no-single-branch"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_job_fetches_the_rounds_that_its_checkout_lacks_by_one_request(
    hosted: Hosted, rounds: list[str], shape: str
) -> None:
    git = checkout(hosted, *SHAPES[shape])
    supply = PartialCheckout(git, Remote(hosted.url, hosted.server.url, "bot"))
    if "shallow" in shape:
        fetch(hosted, git, rounds[0], rounds[-1])
    supply.complete(rounds[0], rounds[-1])
    before = len(hosted.server.fetches())
    repository = GitRepository(git, supply.obtain)
    asked = [Spot("calc.py", line) for line in (1, 21, 22, 23)]

    found = repository.origins(rounds[:1], rounds[1:], asked)

    assert [found[spot] for spot in asked] == [rounds[1], rounds[1], rounds[2], rounds[3]]
    fetched = len(hosted.server.fetches()) - before
    assert fetched <= (0 if shape == "whole" else 2)
    repository.origins(rounds[:1], rounds[1:], asked)
    assert len(hosted.server.fetches()) == before + fetched


def test_what_depends_on_a_round_that_is_not_here_is_unknown(
    hosted: Hosted, rounds: list[str]
) -> None:
    git = checkout(hosted, "--depth=1")
    fetch(hosted, git, rounds[0], *rounds[2:])

    assert origin(git, rounds, "calc.py", 23) == rounds[3]
    assert origin(git, rounds, "calc.py", 22) is None
    assert origin(git, rounds, "a.py", 1) == rounds[0]


def test_a_server_that_does_not_have_a_round_costs_only_that_answer(
    hosted: Hosted, rounds: list[str]
) -> None:
    git = checkout(hosted, "--depth=1")
    fetch(hosted, git, rounds[0], rounds[-1])
    supply = PartialCheckout(git, Remote(hosted.url, hosted.server.url, "bot"))
    gone = [rounds[0], rounds[1], "e" * 40, rounds[3]]
    asked = [Spot("calc.py", 1), Spot("a.py", 1)]

    found = GitRepository(git, supply.obtain).origins(gone[:1], gone[1:], asked)

    assert [found[spot] for spot in asked] == [None, rounds[0]]


def test_the_change_between_rounds_that_are_not_here_is_fetched(
    hosted: Hosted, rounds: list[str]
) -> None:
    git = checkout(hosted, "--depth=1")
    fetch(hosted, git, rounds[0], rounds[-1])
    supply = PartialCheckout(git, Remote(hosted.url, hosted.server.url, "bot"))
    with pytest.raises(GitFailed):
        GitRepository(git).net_change(rounds[1], rounds[2])

    change = GitRepository(git, supply.obtain).net_change(rounds[1], rounds[2])

    assert [changed.path for changed in change.changes] == ["calc.py"]
    with pytest.raises(GitFailed):
        GitRepository(git, supply.obtain).net_change("e" * 40, rounds[3])
