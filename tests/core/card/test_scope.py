"""Which changed paths a worker may push."""

import pytest

from loop_kit.core.card.scope import (
    GITLINK,
    PROTECTED_ALWAYS,
    PROTECTED_IN_CI,
    SYMLINK,
    Change,
    Commit,
    ScopeRules,
    judge,
    patterns,
)

CI = ScopeRules(protected=PROTECTED_IN_CI)


def commit(*changes: Change, parents: int = 1, sha: str = "a" * 40) -> Commit:
    return Commit(sha=sha, parents=parents, changes=changes)


def judged(rules: ScopeRules, *paths: str) -> list[tuple[str, str]]:
    found = judge([commit(*(Change(path=path) for path in paths))], rules)
    return [(violation.kind, violation.path) for violation in found]


def linked(path: str, target: str) -> list[str]:
    change = Change(path=path, mode=SYMLINK, link=target)
    return [violation.why for violation in judge([commit(change)], CI)]


def test_an_entry_is_a_pattern_when_it_looks_like_a_path_or_is_one() -> None:
    entries = ("src/", "*.md", "setup.py", ".env", "LICENSE", "  my docs/**  ")
    prose = ("Do not touch the parser.", "the public API", "Makefile", "", "etc.")
    assert patterns((*entries, *prose), frozenset({"LICENSE"})) == (
        *("src/", "*.md", "setup.py", ".env", "LICENSE", "my docs/**"),
    )


def test_an_existing_path_with_a_space_is_a_pattern() -> None:
    assert patterns(["my docs/guide.md"], frozenset({"my docs/guide.md"})) == ("my docs/guide.md",)


@pytest.mark.parametrize(
    ("pattern", "hit", "miss"),
    [
        ("docs/", "docs/a/b.md", "src/docs.py"),
        ("/docs/", "docs/a.md", "src/docs/a.md"),
        ("*.lock", "sub/uv.lock", "uv.locked"),
        ("setup.py", "sub/setup.py", "setup.pyc"),
        ("src/**/gen", "src/a/b/gen/x.c", "src/a/general/x.c"),
        ("a/*.c", "a/x.c", "a/b/x.c"),
    ],
)
def test_out_of_scope_is_read_as_git_reads_ignore_patterns(
    pattern: str, hit: str, miss: str
) -> None:
    rules = ScopeRules(out_of_scope=(pattern,))
    assert judged(rules, hit, miss) == [("scope", hit)]


def test_in_scope_guides_and_is_enforced_only_when_strict() -> None:
    guide = ScopeRules(in_scope=("src/",))
    assert judged(guide, "src/a.py", "other.py") == []
    strict = ScopeRules(in_scope=("src/",), out_of_scope=("src/gen/",), strict=True)
    found = judged(strict, "src/a.py", "other.py", "src/gen/b.py")
    assert found == [("scope", "other.py"), ("scope", "src/gen/b.py")]
    assert judged(ScopeRules(strict=True), "anything.py") == []


@pytest.mark.parametrize(
    "path",
    [
        ".loop/state.json",
        ".github/workflows/ci.yml",
        ".github/actions/x/action.yml",
        ".claude/settings.json",
        "sub/.claude/settings.json",
        ".codex/config.toml",
        ".opencode/x",
        "AGENTS.md",
        "sub/AGENTS.md",
        "CLAUDE.md",
        "CLAUDE.local.md",
        "GEMINI.md",
        ".gemini/settings.json",
        ".cursor/rules/a.mdc",
        ".cursorrules",
        ".windsurfrules",
        ".clinerules",
        ".clinerules/a.md",
        ".aider.conf.yml",
        ".vscode/mcp.json",
        ".github/copilot-instructions.md",
        ".github/instructions/a.instructions.md",
        ".mcp.json",
        "opencode.json",
        "opencode.jsonc",
        "docs/roles/reviewer.md",
    ],
)
def test_what_steers_agents_or_workflows_is_protected_in_ci(path: str) -> None:
    assert judged(CI, path) == [("protected_path", path)]


def test_locally_only_the_loops_own_folder_is_protected() -> None:
    rules = ScopeRules(protected=PROTECTED_ALWAYS)
    assert judged(rules, ".loop/state.json", "AGENTS.md", ".github/workflows/ci.yml") == [
        ("protected_path", ".loop/state.json")
    ]


def test_what_is_near_a_protected_path_is_not_protected() -> None:
    free = (
        "docs/AGENTS.txt",
        ".vscode/settings.json",
        ".aider.chat.history.md",
        ".github/dependabot.yml",
        "src/roles/a.md",
        "sub/docs/roles/a.md",
    )
    assert judged(CI, *free) == []


def test_a_rename_is_judged_at_both_ends() -> None:
    out = Change(path="notes.md", old_path="AGENTS.md")
    into = Change(path=".claude/x", old_path="x")
    found = [violation.path for violation in judge([commit(out, into)], CI)]
    assert found == ["AGENTS.md", ".claude/x"]


@pytest.mark.parametrize(
    "path",
    [".loop", ".claude", ".codex", ".github/workflows", ".github", "docs/roles", "docs"],
)
def test_a_link_in_the_place_of_a_protected_folder_is_a_change_of_it(path: str) -> None:
    change = Change(path=path, mode=SYMLINK, link="mine")
    found = judge([commit(change)], CI)
    assert [violation.kind for violation in found] == ["protected_path"]


def test_every_commit_is_judged_even_when_a_later_one_takes_it_back() -> None:
    there = commit(Change(path="AGENTS.md"), sha="1" * 40)
    back = commit(Change(path="AGENTS.md", old_mode="100644", mode="000000"), sha="2" * 40)
    assert [violation.path for violation in judge([there, back], CI)] == ["AGENTS.md"]


@pytest.mark.parametrize("parents", [0, 2, 3])
def test_merges_and_root_commits_are_refused(parents: int) -> None:
    (violation,) = judge([commit(parents=parents)], ScopeRules())
    assert (violation.kind, violation.path) == ("scope", "aaaaaaaaaa")


def test_submodules_are_left_alone() -> None:
    added = Change(path="vendor/x", mode=GITLINK)
    removed = Change(path="vendor/y", mode="000000", old_mode=GITLINK)
    found = judge([commit(added, removed)], ScopeRules())
    assert [(v.kind, v.path) for v in found] == [("scope", "vendor/x"), ("scope", "vendor/y")]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("a", "../x"),
        ("d/a", "../../x"),
        ("d/a", "b/../../../x"),
        ("a", "b/../.."),
        ("a", "~/x"),
        ("a", "..\\x"),
        ("a", "C:\\x"),
        ("a", "x\x00y"),
    ],
)
def test_a_link_out_of_the_repository_is_refused(path: str, target: str) -> None:
    assert linked(path, target) == ["is a symbolic link that leaves the repository"]


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b"), ("a", "./b/../c"), ("a", "b//c")],
)
def test_a_link_within_the_repository_is_allowed(path: str, target: str) -> None:
    assert linked(path, target) == []


def test_a_giant_file_is_refused_by_its_size() -> None:
    rules = ScopeRules(max_file_bytes=10)
    small, big = Change(path="s", size=10), Change(path="b", size=11)
    (violation,) = judge([commit(small, big)], rules)
    assert (violation.path, violation.why) == ("b", "has 11 bytes, over the limit of 10")


def test_one_path_is_reported_once_per_reason_and_in_order() -> None:
    rules = ScopeRules(out_of_scope=("b", "a"), max_file_bytes=1)
    first = commit(Change(path="b", size=5), Change(path="a"))
    again = commit(Change(path="b", size=5))
    found = judge([first, again], rules)
    assert [(v.path, v.why.split()[0]) for v in found] == [("b", "is"), ("b", "has"), ("a", "is")]


def test_ordinary_work_is_allowed() -> None:
    ordinary = Change(path="src/a.py", mode="100755", old_mode="100644", size=1000)
    assert judge([commit(ordinary), commit()], CI) == ()
