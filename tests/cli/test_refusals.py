"""What a person has to fix first: one sentence, one remedy, an exit code, and nothing spent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.harness import LOOP, Repo, assert_refused

CARDS = {
    "broken JSON": (b'{"task_id": ', "JSON"),
    "a list": (b"[]", "list"),
    "Latin-1": (b'{"task_id":"T-1","goal":"\xfc"}', "UTF-8"),
    "no goal": (b'{"task_id":"T-1"}', "goal"),
    "scope as text": (b'{"task_id":"T-1","goal":"g","in_scope":"src"}', "in_scope"),
    "unknown key": (b'{"task_id":"T-1","goal":"g","in_scop":[]}', "in_scope"),
    "unknown limit": (b'{"task_id":"T-1","goal":"g","limits":{"max_round":1}}', "max_rounds"),
    "huge number": (b'{"task_id":"T-1","goal":"g","x":' + b"1" * 5000 + b"}", "JSON"),
    "too long": (b'{"task_id":"T-1","goal":"' + b"g" * 70_000 + b'"}', "limit"),
}

TASK_IDS = ["../x", "-u", "a\nb", "", "a\\b", "x.lock", "ü", "x" * 65]

CONFIGS = {
    "broken YAML": ("a: [", "config.yaml"),
    "unknown key": ("max_round: 2", "max_rounds"),
    "wrong type": ("max_rounds: many", "max_rounds"),
    "a secret": ("openai_api_key: sk-1", "openai_api_key"),
    "unknown backend": ("worker_backend: codxe", "codex"),
    "negative time": ("dispatch_timeout: -1", "dispatch_timeout"),
}

FLAGS = {
    "unknown backend": (("--worker-backend", "nope"), 3, "codex, claude, opencode, scripted"),
    "round alone": (("--round", "2"), 3, "--single-round"),
    "single round alone": (("--single-round",), 3, "--round"),
    "resume and single": (("--single-round", "--round", "1", "--resume"), 3, "--resume"),
    "missing card": (("--task", "no.json"), 3, "no.json"),
    "a folder as card": (("--task", ".loop"), 3, ".loop"),
    "a long name": (("--task", "x" * 300), 3, "xxx"),
    "no such task": (("T-404",), 3, "T-404"),
}


@pytest.mark.parametrize("kind", CARDS)
def test_a_bad_card_is_refused(repo: Repo, kind: str) -> None:
    content, word = CARDS[kind]
    (repo.folder / "task_card.json").write_bytes(content)
    assert_refused(repo.run(), 3, "task_card.json", word)
    assert repo.names == []
    assert not (repo.folder / "state.json").exists()


@pytest.mark.parametrize(
    "text", ["a: [", "- a", "task_id: T-1\ngoal: 5\n", "\x00", "? {a: 1}\n: 2"]
)
def test_a_bad_yaml_card_is_refused(repo: Repo, text: str) -> None:
    (repo.root / "card.yml").write_text(text)
    assert_refused(repo.run("--task", "card.yml"), 3, "card.yml")
    assert repo.names == []


@pytest.mark.parametrize("task_id", TASK_IDS)
def test_a_bad_task_id_is_refused(repo: Repo, task_id: str) -> None:
    repo.card(task_id=task_id)
    assert_refused(repo.run(), 3, "task_id")
    assert repo.names == []
    assert not (repo.folder / "archive").exists()


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_bad_configuration_is_refused(repo: Repo, kind: str) -> None:
    text, word = CONFIGS[kind]
    (repo.folder / "config.yaml").write_text(text)
    assert_refused(repo.run(), 3, word)
    assert repo.names == []


def test_a_bad_variable_is_refused(repo: Repo) -> None:
    repo.extra = {"LOOP_MAX_ROUNDS": "many"}
    assert_refused(repo.run(), 3, "LOOP_MAX_ROUNDS: must be a whole number")
    assert repo.names == []


@pytest.mark.parametrize("kind", FLAGS)
def test_a_bad_flag_is_refused(repo: Repo, kind: str) -> None:
    flags, code, word = FLAGS[kind]
    assert_refused(repo.run(*flags), code, word)
    assert repo.names == []


@pytest.mark.parametrize(
    "args",
    [
        ("run", "--dispatch-backend", "par"),
        ("run", "--par-bin", "x"),
    ],
)
def test_a_usage_error_is_the_command_lines_own(repo: Repo, args: tuple[str, ...]) -> None:
    result = repo.loop(*args)
    assert result.code == 2
    assert "Traceback" not in result.text


def test_the_seeds_only_dispatch_backend_is_still_taken(repo: Repo) -> None:
    assert repo.run("--dispatch-backend", "native").code == 0


@pytest.mark.parametrize("role", ["worker", "reviewer"])
def test_a_missing_executable_is_found_out_before_anybody_is_paid(repo: Repo, role: str) -> None:
    (repo.bin / "claude").unlink()
    repo.extra = {"PATH": f"{repo.bin}:/usr/bin:/bin"}
    result = repo.run(f"--{role}-backend", "claude")
    assert result.code == 2, result.text
    assert "Traceback" not in result.text
    assert "annot find executable" in result.text
    assert "claude" in result.text
    assert repo.names == []
    assert repo.ended == ("done", f"{role}_dispatch_failed")


def test_a_missing_git_is_named(repo: Repo) -> None:
    assert_refused(repo.run(env={"PATH": str(repo.bin)}), 1, "git is not installed")


def test_no_repository_is_refused(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert_refused(repo.run(cwd=tmp_path / "plain"), 1, "not in a git work tree", "git init")
    assert list((tmp_path / "plain").iterdir()) == []


def test_a_bare_repository_is_refused(repo: Repo, tmp_path: Path) -> None:
    repo.git("init", "--quiet", "--bare", str(tmp_path / "bare"))
    assert_refused(repo.run(cwd=tmp_path / "bare"), 1, "not in a git work tree")


def test_a_repository_without_a_commit_is_refused(repo: Repo, tmp_path: Path) -> None:
    repo.git("init", "--quiet", str(tmp_path / "empty"))
    assert_refused(repo.run(cwd=tmp_path / "empty"), 1, "no commit", "first commit")


@pytest.mark.parametrize("command", [("init",), ("run", "--auto-dispatch")])
def test_a_file_where_the_loops_folder_should_be_is_refused(
    repo: Repo, command: tuple[str, ...]
) -> None:
    shutil.rmtree(repo.folder)
    repo.folder.write_text("mine")
    assert_refused(repo.loop(*command), 3, ".loop")
    assert repo.folder.read_text() == "mine"


def test_a_template_with_an_unknown_placeholder_is_refused(repo: Repo) -> None:
    assert repo.loop("init").code == 0
    (repo.folder / "templates" / "reviewer_prompt.txt").write_text("Do {nonsense}.")
    assert_refused(repo.run(), 3, "reviewer_prompt.txt", "nonsense")
    assert repo.names == []


def test_a_demo_in_a_folder_that_is_a_file_is_refused(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert_refused(repo.loop("demo", "--dir", str(tmp_path / "file")), 3, str(tmp_path / "file"))


def test_the_installed_command_is_what_is_tested() -> None:
    assert LOOP.is_file()


def test_a_card_that_is_a_link_to_itself_is_refused(repo: Repo) -> None:
    (repo.root / "loop.json").symlink_to("loop.json")
    assert_refused(repo.run("loop.json"), 3, "loop.json")
