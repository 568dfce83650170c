"""How agents are started, retried, timed out and watched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.harness import Repo, Steps, eventually, is_alive

DONE: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]


def test_codex_is_called_with_the_prompt_on_standard_input(repo: Repo) -> None:
    repo.card(goal="Make VALUE right. " + "Mind the gap. " * 200)
    assert repo.run().code == 0
    call = repo.calls[0]
    assert call.argv[1] == "exec"
    assert "stdin" in call.argv[-1]
    assert not any("Mind the gap." in arg for arg in call.argv)
    assert call.stdin.count("Mind the gap.") == 200
    assert not Path(call.cwd).is_relative_to(repo.root)


def test_each_role_has_its_own_backend_model_and_arguments(repo: Repo) -> None:
    result = repo.run(
        *("--worker-backend", "claude", "--worker-model", "opus", "--reviewer-backend", "codex"),
        *("--reviewer-args", "--config 'a b=1'"),
    )
    assert result.code == 0
    worker, reviewer = repo.calls
    assert "-p" in worker.argv
    assert worker.argv[worker.argv.index("--model") + 1] == "opus"
    assert worker.argv[worker.argv.index("--session-id") + 1]
    assert "Make VALUE right." in worker.stdin
    assert reviewer.argv[-3:-1] == ["--config", "a b=1"]


def test_variables_describe_the_job(repo: Repo) -> None:
    assert repo.run().code == 0
    env = repo.calls[1].env
    assert (env["LOOP_ROLE"], env["LOOP_TASK_ID"]) == ("reviewer", "T-001")
    assert (env["LOOP_ROUND"], env["LOOP_ATTEMPT"]) == ("1", "1")
    assert env["LOOP_BASE_SHA"] == repo.git("rev-parse", "HEAD~1")
    assert env["LOOP_REPORT_PATH"].startswith(env["LOOP_MAILBOX"])


def test_an_agent_sees_only_what_is_allowed(repo: Repo) -> None:
    secrets = {
        "GITHUB_TOKEN": "t1",
        "GITHUB_ENV": "/x",
        "ACTIONS_RUNTIME_TOKEN": "t2",
        "RUNNER_TEMP": "/x",
        "AWS_SECRET_ACCESS_KEY": "t3",
        "LOOP_GITHUB_TOKEN": "t4",
    }
    kept = {"LC_TIME": "C", "HTTPS_PROXY": "http://p", "CODEX_HOME": "/c", "GOPATH": "/go"}
    repo.extra = {**secrets, **kept, "LOOP_AGENT_ENV": "FAKE_*,GITHUB_*"}
    assert repo.run().code == 0
    for call in repo.calls:
        assert not set(secrets) & set(call.env)
        assert kept.items() <= call.env.items()


def test_a_key_reaches_its_own_backend_and_no_other(repo: Repo) -> None:
    repo.extra = {
        "LOOP_OPENAI_API_KEY": "sk-openai-1",
        "LOOP_ANTHROPIC_API_KEY": "sk-ant-2",
        "LOOP_CLAUDE_CODE_OAUTH_TOKEN": "oauth-3",
    }
    assert repo.run("--reviewer-backend", "claude").code == 0
    codex, claude = repo.calls
    assert codex.env["CODEX_API_KEY"] == "sk-openai-1"
    assert "sk-ant-2" not in json.dumps(codex.env)
    assert "oauth-3" not in json.dumps(codex.env)
    assert claude.env["ANTHROPIC_API_KEY"] == "sk-ant-2"
    assert claude.env["CLAUDE_CODE_OAUTH_TOKEN"] == "oauth-3"
    assert "sk-openai-1" not in json.dumps(claude.env)


def test_a_key_that_the_user_exported_reaches_its_own_backend(repo: Repo) -> None:
    repo.extra = {"CODEX_API_KEY": "sk-openai-1", "ANTHROPIC_API_KEY": "sk-ant-2"}
    assert repo.run("--reviewer-backend", "claude").code == 0
    codex, claude = repo.calls
    assert codex.env.get("CODEX_API_KEY") == "sk-openai-1"
    assert "ANTHROPIC_API_KEY" not in codex.env
    assert claude.env.get("ANTHROPIC_API_KEY") == "sk-ant-2"
    assert "CODEX_API_KEY" not in claude.env


def test_a_secret_of_ours_is_not_stored_when_an_agent_repeats_it(repo: Repo) -> None:
    repo.extra = {"LOOP_OPENAI_API_KEY": "sk-proj-0123456789"}
    told = [*DONE[:2], {"report": {"notes": "the key is sk-proj-0123456789"}}]
    repo.plan({"worker": told})
    assert repo.run().code == 0
    for name in repo.tree():
        assert b"sk-proj-0123456789" not in (repo.folder / name).read_bytes(), name


def test_a_failed_call_is_tried_again_after_the_base_delay(repo: Repo) -> None:
    repo.plan({"worker/1/1": [{"stderr": "overloaded"}, {"exit": 1}]})
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]
    assert result.out.count("Waiting 1 s before the next attempt.") == 1


def test_all_retries_used_up_end_the_run(repo: Repo) -> None:
    repo.plan({"worker": [{"stderr": "overloaded"}, {"exit": 3}]})
    result = repo.run("--dispatch-retries", "2")
    assert result.code == 2
    assert repo.names == ["worker/1/1", "worker/1/2", "worker/1/3"]
    assert "Waiting 1 s" in result.out
    assert "Waiting 2 s" in result.out
    assert repo.ended == ("done", "worker_dispatch_failed")
    for words in ("after 3 attempts", "overloaded", "exit code 3"):
        assert words in repo.state["error"]


def test_a_permanent_error_is_not_tried_again(repo: Repo) -> None:
    repo.plan({"worker": [{"stderr": "authentication failed: no key"}, {"exit": 1}]})
    result = repo.run()
    assert result.code == 2
    assert repo.names == ["worker/1/1"]
    assert "Waiting" not in result.out
    for words in ("not retrying", "authentication failed: no key", "codex"):
        assert words in repo.state["error"]


@pytest.mark.parametrize("role", ["worker", "reviewer"])
def test_an_agent_that_hangs_is_ended_and_the_flag_is_named(repo: Repo, role: str) -> None:
    stubborn: Steps = [{"deaf": True}] if role == "worker" else []
    repo.plan({role: [*stubborn, {"daemon": "sleep 999"}, {"gate": "never"}]})
    result = repo.run("--dispatch-timeout", "1")
    assert result.code == 2, result.text
    assert repo.ended == ("done", f"{role}_timeout")
    assert repo.state["resume_phase"] == (
        "awaiting_work" if role == "worker" else "awaiting_review"
    )
    assert "--dispatch-timeout" in repo.state["error"]
    assert "--dispatch-timeout" in result.text
    assert not is_alive(repo.reached("never"))
    assert not is_alive(int((repo.fake / "daemon.pid").read_text()))
    assert repo.names.count(f"{role}/1/1") == len([n for n in repo.names if n.startswith(role)])


def test_silence_is_a_timeout_of_its_own(repo: Repo) -> None:
    repo.plan({"worker": [{"say": "hello"}, {"gate": "never"}]})
    assert repo.run("--idle-timeout", "1").code == 2
    assert repo.ended == ("done", "worker_timeout")
    assert "--idle-timeout" in repo.state["error"]


def test_a_report_that_was_written_before_the_time_ran_out_counts(repo: Repo) -> None:
    repo.plan({"worker": [*DONE, {"gate": "never"}]})
    assert repo.run("--dispatch-timeout", "2").code == 0
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_what_a_worker_left_running_is_dead_before_the_reviewer_starts(repo: Repo) -> None:
    seen = 'kill -0 $(cat "$FAKE_DIR/daemon.pid") && touch "$FAKE_DIR/seen" || true'
    repo.plan(
        {"worker": [{"daemon": "sleep 999"}, *DONE], "reviewer": [{"sh": seen}, {"report": {}}]}
    )
    assert repo.run().code == 0
    assert not (repo.fake / "seen").exists()
    assert not is_alive(int((repo.fake / "daemon.pid").read_text()))


def test_a_report_of_a_process_left_running_is_waited_for(repo: Repo) -> None:
    late = 'sleep 1; mv "$LOOP_MAILBOX/later" "$LOOP_REPORT_PATH"; sleep 999'
    hold = 'mv "$LOOP_REPORT_PATH" "$LOOP_MAILBOX/later"'
    repo.plan({"worker": [*DONE, {"sh": hold}, {"daemon": late}]})
    assert repo.run("--artifact-timeout", "30").code == 0
    assert repo.names == ["worker/1/1", "reviewer/1/1"]
    assert not is_alive(int((repo.fake / "daemon.pid").read_text()))


def test_a_report_that_is_still_being_written_is_waited_for(repo: Repo) -> None:
    hold = 'mv "$LOOP_REPORT_PATH" "$LOOP_MAILBOX/later"; head -c 9 "$LOOP_MAILBOX/later" > '
    late = 'sleep 1; cat "$LOOP_MAILBOX/later" > "$LOOP_REPORT_PATH"'
    repo.plan({"worker": [*DONE, {"sh": hold + '"$LOOP_REPORT_PATH"'}, {"daemon": late}]})
    assert repo.run("--artifact-timeout", "30").code == 0
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_the_dispatch_log_keeps_all_that_was_printed(repo: Repo) -> None:
    talk: Steps = [
        {"say": {"type": "thread.started", "thread_id": "th-7"}},
        {"say": "no JSON at all"},
        {"stderr": "a word on stderr"},
    ]
    repo.plan({"worker": [*talk, *DONE]})
    assert repo.run().code == 0
    log = (repo.folder / "logs" / "worker_dispatch.log").read_text("utf-8")
    for words in ("no JSON at all", "a word on stderr", "returncode: 0", "session_id=th-7"):
        assert words in log
    assert "session_id" not in (repo.folder / "logs" / "reviewer_dispatch.log").read_text("utf-8")
    assert repo.state["sessions"]["worker"]["session_id"] == "th-7"


def test_five_megabytes_of_output_and_bytes_that_are_not_text_do_no_harm(repo: Repo) -> None:
    noise = "head -c 100000 /dev/urandom; head -c 3000000 /dev/zero"
    repo.plan({"worker": [{"flood": 5_000_000}, {"sh": noise}, *DONE]})
    result = repo.run()
    assert result.code == 0
    assert len(result.text) < 10_000


def test_codex_events_are_printed_in_short(repo: Repo) -> None:
    events = [
        {"type": "command_execution", "command": "npm test"},
        {"type": "command_execution", "command": "npm test"},
        {"type": "file_change", "changes": [{"path": "a.py"}, {"path": "b.py"}]},
        {"type": "agent_message", "text": "done\n" + "x" * 300},
    ]
    talk: Steps = [{"say": {"type": "item.completed", "item": event}} for event in events]
    usage = {"input_tokens": 70, "output_tokens": 30}
    talk += [{"say": {"type": "item.started", "item": {"text": "hidden-1"}}}, {"say": "hidden-2"}]
    talk.append({"say": {"type": "turn.completed", "usage": usage}})
    repo.plan({"worker": [*talk, *DONE]})
    result = repo.run()
    assert result.code == 0
    assert result.out.count("[worker] Running: npm test") == 1
    assert "[worker] Editing: a.py, b.py" in result.out
    assert "[worker] Message: done x" in result.out
    assert "hidden" not in result.out
    assert "x" * 150 not in result.out
    assert (repo.state["usage"]["tokens_in"], repo.state["usage"]["tokens_out"]) == (70, 30)


def test_claude_events_are_printed_in_short(repo: Repo) -> None:
    tool = {"type": "tool_use", "name": "Bash", "input": {"command": "npm test"}}
    said = {"type": "text", "text": "done"}
    usage = {"input_tokens": 7, "cache_read_input_tokens": 60, "output_tokens": 3}
    end = {"type": "result", "subtype": "success", "usage": usage, "total_cost_usd": 0.25}
    talk: Steps = [
        {"say": {"type": "system", "session_id": "se-1"}},
        {"say": {"type": "assistant", "message": {"content": [tool, said]}}},
        {"say": end},
    ]
    repo.plan({"worker": [*talk, *DONE]})
    result = repo.run("--worker-backend", "claude")
    assert result.code == 0
    assert "[worker] Running: npm test" in result.out
    assert "[worker] Message: done" in result.out
    assert repo.state["usage"]["cost_usd"] == 0.25
    assert repo.state["usage"]["tokens_in"] == 67
    assert repo.state["sessions"]["worker"]["session_id"] == "se-1"


def test_verbose_shows_whole_lines(repo: Repo) -> None:
    item = {"type": "agent_message", "text": "y" * 300}
    repo.plan({"worker": [{"say": {"type": "item.completed", "item": item}}, *DONE]})
    assert "y" * 300 in repo.run("--verbose").out


def test_what_an_agent_does_is_printed_while_it_runs(repo: Repo) -> None:
    item = {"type": "agent_message", "text": "thinking"}
    said = {"say": {"type": "item.completed", "item": item}}
    repo.plan({"worker": [said, {"gate": "middle"}, *DONE]})
    process = repo.start()
    assert process.stdout is not None
    lines: list[str] = []

    def shown() -> bool:
        assert process.stdout is not None
        lines.append(process.stdout.readline())
        return "thinking" in lines[-1]

    eventually(shown, "the message on the console")
    repo.reached("middle")
    repo.open("middle")
    process.communicate(timeout=60)
    assert process.returncode == 0
