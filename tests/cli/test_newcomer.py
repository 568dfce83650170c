"""What somebody who tries the tool for the first time stumbles over."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.harness import assert_refused

if TYPE_CHECKING:
    from tests.cli.harness import Repo


def test_the_command_that_continues_is_printed_with_its_mode_and_agents(repo: Repo) -> None:
    repo.plan({"worker": [{"stderr": "authentication failed"}, {"exit": 1}]})

    failed = repo.run("--worker-backend", "claude")

    printed = next(line for line in failed.out.splitlines() if line.endswith("--resume"))
    assert printed.strip().startswith("loop run --auto-dispatch")
    assert "--worker-backend claude" in printed


def test_a_loop_out_of_rounds_prints_how_to_give_it_one_more(repo: Repo) -> None:
    repo.run("--max-rounds", "0")

    assert "--max-rounds 1 --resume" in repo.run("--max-rounds", "0").out


def test_a_new_start_over_an_unfinished_loop_says_so(repo: Repo) -> None:
    repo.run("--max-rounds", "0")

    assert "--resume would have continued it" in repo.run().err


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_card_that_never_ends_is_refused_at_once(repo: Repo, path: str) -> None:
    os.mkfifo(repo.root / "pipe")

    assert_refused(repo.loop("run", path), 3, "not a regular file")


def test_a_misspelt_required_key_is_named(repo: Repo) -> None:
    (repo.root / "card.json").write_text('{"task_id": "T-1", "gaol": "x"}')

    assert_refused(repo.loop("run", "card.json"), 3, "unknown key 'gaol'", "Did you mean 'goal'?")


def test_a_misspelt_variable_is_named(repo: Repo) -> None:
    refused = repo.loop("run", env={"LOOP_WORKER_BAKEND": "claude"})

    assert_refused(refused, 3, "LOOP_WORKER_BAKEND", "Did you mean LOOP_WORKER_BACKEND?")


def test_an_identity_with_which_git_would_not_commit_is_refused_before_anybody_is_paid(
    repo: Repo,
) -> None:
    (repo.home / ".gitconfig").unlink()
    repo.git("config", "user.email", "rita@example.org")
    repo.git("config", "user.useConfigOnly", "true")

    assert_refused(repo.run(), 3, "user.name is missing", "git config user.name")
    assert repo.names == []
    assert "user.name is missing" in repo.loop("doctor").text

    repo.git("config", "user.name", "Your Name")
    assert repo.run().code == 0


def test_people_who_do_the_work_themselves_need_no_identity_of_git(repo: Repo) -> None:
    repo.git("config", "user.useConfigOnly", "true")
    (repo.home / ".gitconfig").unlink()
    result = repo.loop("run", "--timeout", "1")
    assert repo.ended == ("done", "worker_timeout"), result.text


def test_clones_commit_with_the_identity_of_the_repository(repo: Repo) -> None:
    (repo.home / ".gitconfig").unlink()
    repo.git("config", "user.name", "Rita")
    repo.git("config", "user.email", "rita@example.org")

    done = repo.run("--apply", "never")

    assert done.code == 0, done.text
    assert "The work is on the branch loop/T-001/work." in done.out
    assert (
        repo.git("log", "-1", "--format=%an <%ae>", "loop/T-001/work") == "Rita <rita@example.org>"
    )
    assert repo.git("log", "--format=%s", "HEAD").count("\n") == 1


def test_a_verify_command_that_fails_at_the_base_is_reported(repo: Repo) -> None:
    repo.card(verify=["test -e proof"])

    assert "It fails: test -e proof (exit code 1)" in repo.run("--max-rounds", "1").out


def test_two_fresh_commands_after_init_and_an_edit_lead_to_a_card(repo: Repo) -> None:
    subprocess.run(["rm", "-r", str(repo.folder)], check=True)
    repo.loop("init")
    example = repo.folder / "examples" / "task_card.json"
    edited = example.read_text().replace("Say in one or two", "What I want in two")
    (repo.folder / "task_card.json").write_text(edited)

    assert repo.run().code == 0


def test_what_a_card_asks_for_in_vain_is_reported(repo: Repo) -> None:
    repo.card(depends_on=["T-000"], limits={"max_diff_growth": 2})

    said = repo.run().out

    assert "The card's depends_on is kept, but this version does not act on it." in said
    assert "max_diff_growth" not in said, "it is acted on"


WRONG = {
    "d.json": (
        '{"task_id": "T",\n "goal": }',
        "line 2, column 10",
        "Correct what is at that place",
    ),
    "e.json": ("", "it is empty", "Write something in it, or remove it."),
    "f.yml": ("task_id: [1\ngoal: x\n", "line 2, column 5", "Correct what is at that place"),
    "g.json": ('{"task_id": 7, "goal": "x"}', "'task_id': must be text", "Give 'task_id' text"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_card_that_cannot_be_read_is_named_with_the_place_and_what_helps(
    repo: Repo, name: str
) -> None:
    text, place, remedy = WRONG[name]
    (repo.root / name).write_text(text)

    assert_refused(repo.loop("card", "check", name), 3, place, remedy)


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("max_rounds: many", "Give 'max_rounds' a whole number such as 3."),
        ("scope: all", "Give 'scope' one of 'guide' or 'strict'."),
        ("verify_timeout: -1", "Give 'verify_timeout' 0 or more."),
        ("draft: 7", "Give 'draft' true or false."),
    ],
)
def test_a_setting_that_does_not_fit_says_what_fits(repo: Repo, setting: str, remedy: str) -> None:
    (repo.folder / "config.yaml").write_text(f"{setting}\n")

    assert_refused(repo.run(), 3, remedy)


def test_a_flag_that_does_not_fit_is_called_by_its_name(repo: Repo) -> None:
    name = "--dispatch-retry-base-sec"

    assert_refused(repo.run(name, "0.1"), 3, f"Error: {name}: ", f"Give {name} 1 or more.")


def test_an_id_that_is_no_card_gets_the_ids_that_are(repo: Repo) -> None:
    (repo.folder / "tasks").mkdir()
    (repo.folder / "tasks" / "T-7.yml").write_text("task_id: T-7\ngoal: x\n")

    assert_refused(repo.run("T-009"), 3, "T-009 was not found", "tasks are: T-7.")


def test_archive_without_an_id_lists_the_tasks_and_fetch_says_where_the_ids_are(repo: Repo) -> None:
    repo.run()

    assert repo.loop("archive").out == "T-001\n"
    assert json.loads(repo.loop("archive", "--json").out) == {"tasks": ["T-001"]}
    assert_refused(repo.loop("archive", "--restore", "x"), 3, "Add --task-id.")
    assert_refused(repo.loop("fetch"), 3, "loop status --remote")


def test_init_says_what_to_commit_and_what_to_type_next(repo: Repo) -> None:
    (repo.folder / "task_card.json").unlink()
    lines = repo.loop("init").out.splitlines()

    assert "Created .loop/templates/worker_prompt.txt" in lines
    assert any(line.startswith("Ready. Commit what is yours in it: templates/") for line in lines)
    assert lines[-1] == "  loop run --auto-dispatch"
    copy = next(line for line in lines if line.startswith("  cp "))
    subprocess.run(copy, shell=True, cwd=repo.root, check=True)
    assert (repo.folder / "task_card.json").exists()


def test_a_run_without_an_agent_says_what_installs_one_and_names_no_transcripts(
    repo: Repo,
) -> None:
    (repo.bin / "codex").unlink()
    repo.extra = {"PATH": f"{repo.bin}:/usr/bin:/bin"}
    result = repo.run()

    assert result.code == 2, result.text
    assert "Install codex (`npm install --global @openai/codex@0.169.0`)" in result.text
    assert "Transcripts" not in result.text
