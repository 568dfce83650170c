"""What is judged about work and reviews: scope, tampering, verification and budgets."""

from __future__ import annotations

import pytest
from tests.cli.harness import SENT_BACK, Repo, Steps

DONE: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]
BEYOND: Steps = [{"write": {"calc.py": "VALUE = 1\n", "docs/a.md": "a"}}, {"report": {}}]


def test_a_change_out_of_scope_is_sent_back_once_and_then_needs_a_person(repo: Repo) -> None:
    repo.card(out_of_scope=["docs/", "the look of the thing"])
    repo.plan({"worker": BEYOND})
    result = repo.run()
    assert result.code == 7, result.text
    assert repo.names == ["worker/1/1", "worker/1/2"]
    assert "docs/a.md is out of scope" in repo.calls[1].stdin
    assert repo.ended == ("done", "needs_human")
    assert repo.state["reasons"] == ["scope"]
    assert repo.state["resume_phase"] == "awaiting_work"
    assert "docs/a.md" in result.text


def test_a_change_out_of_scope_that_is_taken_back_is_forgiven(repo: Repo) -> None:
    repo.card(out_of_scope=["docs/"])
    back: Steps = [{"sh": "git rm -qf docs/a.md; git commit -q -m Back"}, {"report": {}}]
    repo.plan({"worker/1/1": BEYOND, "worker/1/2": back})
    assert repo.run().code == 0
    assert repo.git("diff", "--name-only", repo.state["base_sha"]) == "calc.py"


def test_in_scope_guides_and_is_enforced_when_it_is_strict(repo: Repo) -> None:
    repo.plan({"worker": BEYOND})
    assert repo.run().code == 0
    repo.git("reset", "--quiet", "--hard", repo.state["base_sha"])
    (repo.folder / "config.yaml").write_text("scope: strict\n")
    assert repo.run().code == 7
    assert "docs/a.md is not in scope" in repo.state["error"]


def test_a_change_to_the_loops_own_files_is_refused(repo: Repo) -> None:
    force = {"sh": "mkdir -p .loop/templates; echo x > .loop/templates/a; git add -f .loop"}
    repo.plan({"worker": [force, *DONE]})
    stopped = repo.run()
    assert stopped.code == 7
    assert repo.state["reasons"] == ["protected_path"]
    assert "Make it yourself if it is wanted." in stopped.out
    assert "--refresh-card" not in stopped.out


TAMPERING = {
    "edits a tracked file": "echo VALUE = 7 > calc.py",
    "edits it and puts it in the index": "echo VALUE = 7 > calc.py; git add calc.py",
    "commits": "echo VALUE = $LOOP_ATTEMPT$LOOP_ATTEMPT > calc.py; git commit -qam Mine",
    "hides an edit": "git update-index --assume-unchanged calc.py; echo VALUE = 7 > calc.py",
    "makes a branch": "git branch mine-$LOOP_ATTEMPT",
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_the_verdict_of_a_reviewer_that_changes_something_is_void(repo: Repo, kind: str) -> None:
    repo.plan({"reviewer": [{"sh": TAMPERING[kind]}, {"report": {}}]})
    result = repo.run()
    assert result.code == 3, result.text
    assert repo.names == ["worker/1/1", "reviewer/1/1", "reviewer/1/2"]
    assert repo.ended == ("done", "invalid_review_report")
    assert repo.state["resume_phase"] == "awaiting_review"


@pytest.mark.parametrize("kind", ["edits a tracked file", "hides an edit", "commits"])
def test_a_fresh_review_is_one_of_the_work_as_it_was(repo: Repo, kind: str) -> None:
    look = 'git rev-parse HEAD > "$FAKE_DIR/seen"; cat calc.py >> "$FAKE_DIR/seen"'
    repo.plan(
        {
            "reviewer/1/1": [{"sh": TAMPERING[kind]}, {"report": {}}],
            "reviewer/1/2": [{"sh": look}, {"report": {}}],
        }
    )
    result = repo.run()
    assert result.code == 0, result.text
    assert (repo.fake / "seen").read_text() == f"{repo.state['head_sha']}\nVALUE = 1\n"
    assert repo.head == repo.state["head_sha"]
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""


def test_new_untracked_files_of_a_reviewer_are_fine(repo: Repo) -> None:
    repo.plan({"reviewer": [{"write": {".cache/x": "1"}}, {"report": {}}]})
    assert repo.run().code == 0


def test_our_verification_is_reported_to_the_reviewer(repo: Repo) -> None:
    command = "grep -q 'VALUE = 1' calc.py && test -z \"$GITHUB_TOKEN$FAKE_DIR\""
    repo.card(verify=[command, "echo all is well"])
    repo.extra = {"GITHUB_TOKEN": "secret"}
    assert repo.run().code == 0
    assert repo.state["baseline"]["results"][0]["exit_code"] == 1
    verification = repo.json("review_request.json")["verification"]
    assert verification["passed"] is True
    assert verification["sha"] == repo.head
    assert verification["results"][1]["tail"] == "all is well\n"
    assert repo.state["history"][0]["verified"] is True


def test_an_approval_of_what_does_not_verify_is_sent_back(repo: Repo) -> None:
    repo.card(verify=["cat calc.py; grep -q 'VALUE = 2' calc.py"])
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "reviewer/2/1"]
    fix = repo.json("fix_list.json")["fixes"][0]
    assert "verify command failed" in fix["reason"]
    assert "VALUE = 1" in fix["scenario"]
    assert fix["reason"] in repo.calls[2].stdin
    assert repo.state["round_details"][0]["review_decision"] == "changes_required"


def test_verification_sees_what_is_committed_and_nothing_else(repo: Repo) -> None:
    (repo.root / "untracked.txt").write_text("1")
    repo.card(verify=["test ! -e untracked.txt && test ! -e .loop"])
    assert repo.run().code == 0


def test_a_verify_command_that_does_not_exist_stops_the_loop_unspent(repo: Repo) -> None:
    repo.card(verify=["no-such-command-1 --all"])
    result = repo.run()
    assert result.code == 3, result.text
    assert repo.names == []
    assert repo.state["state"] == "done"
    assert "no-such-command-1" in repo.state["error"]
    assert repo.run("--resume").code == 3
    assert repo.names == []


def test_used_up_tokens_stop_the_loop_before_the_next_call(repo: Repo) -> None:
    repo.card(limits={"max_tokens": 100})
    usage = {"input_tokens": 90, "output_tokens": 30}
    repo.plan({"worker": [{"say": {"type": "turn.completed", "usage": usage}}, *DONE]})
    result = repo.run()
    assert result.code == 7
    assert repo.names == ["worker/1/1"]
    assert repo.ended == ("done", "needs_human")
    assert repo.state["reasons"] == ["budget"]
    assert repo.state["resume_phase"] == "awaiting_review"
    assert "120 of 100 tokens" in result.text
    assert repo.run("--resume").code == 7
    assert repo.names == ["worker/1/1"]


def test_a_card_may_lower_a_limit_and_not_raise_it(repo: Repo) -> None:
    repo.plan({"reviewer": SENT_BACK})
    repo.card(limits={"max_rounds": 1})
    assert repo.run("--max-rounds", "5").code == 7
    assert repo.state["limits"]["max_rounds"] == 1
    repo.card(limits={"max_rounds": 5})
    (repo.root / "calc.py").write_text("VALUE = 3\n")
    repo.git("commit", "--quiet", "-am", "Mine")
    assert repo.run("--max-rounds", "1").code == 7
    assert repo.state["limits"]["max_rounds"] == 1


def test_no_rounds_allowed_means_no_agent(repo: Repo) -> None:
    assert repo.run("--max-rounds", "0").code == 7
    assert repo.names == []
    assert repo.ended == ("done", "max_rounds_exhausted")


def test_strict_evidence_is_asked_for_once_and_then_ends_the_run(repo: Repo) -> None:
    (repo.folder / "config.yaml").write_text("evidence: strict\n")
    repo.card(acceptance_criteria=["VALUE is 1"])
    assert repo.run().code == 3
    assert repo.ended == ("done", "invalid_review_report")
    assert "head_sha" in repo.calls[2].stdin
