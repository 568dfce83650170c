"""Reports as structured answers, and limits that a backend can hold itself to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.fake_cli import FakeCli, RecordingReporter, install, job

from loop_kit.adapters.agents.claude import claude
from loop_kit.adapters.agents.codex import codex, native
from loop_kit.core.agent.report_schemas import report_schema
from loop_kit.core.loop.state import Role
from loop_kit.ports import Assignment

REPORT: dict[str, Any] = {"task_id": "T-001", "round": 2, "decision": "approve", "summary": "ü"}


def structured(document: object) -> bytes:
    event = {"type": "result", "subtype": "success", "structured_output": document}
    return json.dumps(event).encode() + b"\n"


def argument(cli: FakeCli, flag: str) -> str:
    argv: list[str] = cli.call["argv"]
    return argv[argv.index(flag) + 1]


ANSWERS = """\
#!/bin/sh
cat >/dev/null
while [ $# -gt 0 ]; do [ "$1" = -o ] && cp "{answer}" "$2"; shift; done
{more}
"""


def answering(root: Path, answer: bytes, more: str = "") -> FakeCli:
    """A codex whose last answer is `answer`."""
    cli = install(root, "codex")
    (root / "answer").write_bytes(answer)
    (cli.folder / "codex").write_text(ANSWERS.format(answer=root / "answer", more=more))
    return cli


@pytest.mark.parametrize("role", list(Role))
def test_codex_is_held_to_the_schema_of_the_roles_report(tmp_path: Path, role: Role) -> None:
    cli = install(tmp_path, "codex")
    codex(cli.setup).run(job(tmp_path, role), RecordingReporter())
    schema = Path(argument(cli, "--output-schema"))
    assert json.loads(schema.read_text()) == report_schema(role)


@pytest.mark.parametrize("role", list(Role))
def test_claude_is_held_to_the_schema_of_the_roles_report(tmp_path: Path, role: Role) -> None:
    cli = install(tmp_path, "claude")
    claude(cli.setup).run(job(tmp_path, role), RecordingReporter())
    assert json.loads(argument(cli, "--json-schema")) == report_schema(role)


@pytest.mark.parametrize("name", ["codex", "claude"])
def test_a_backend_can_be_left_unstructured(tmp_path: Path, name: str) -> None:
    cli = install(tmp_path, name, structured=False)
    {"codex": codex, "claude": claude}[name](cli.setup).run(job(tmp_path), RecordingReporter())
    assert not {"--output-schema", "-o", "--json-schema"} & set(cli.call["argv"])


def test_the_answer_of_claude_is_the_report_when_it_wrote_none(tmp_path: Path) -> None:
    cli = install(tmp_path, "claude", structured({**REPORT, "line": None, "list": [{"a": None}]}))
    wanted = job(tmp_path, Role.REVIEWER)
    claude(cli.setup).run(wanted, RecordingReporter())
    assert json.loads(wanted.report.read_bytes()) == {**REPORT, "list": [{}]}


def test_the_answer_of_codex_is_the_report_when_it_wrote_none(tmp_path: Path) -> None:
    cli = answering(tmp_path, json.dumps(REPORT).encode())
    wanted = job(tmp_path, Role.REVIEWER)
    codex(cli.setup).run(wanted, RecordingReporter())
    assert json.loads(wanted.report.read_bytes()) == REPORT


def test_a_report_that_was_written_counts_before_the_answer(tmp_path: Path) -> None:
    written = {**REPORT, "summary": "written"}
    more = f"printf '%s' '{json.dumps(written)}' > \"$LOOP_REPORT_PATH\""
    cli = answering(tmp_path, json.dumps(REPORT).encode(), more)
    wanted = job(tmp_path, Role.REVIEWER)
    codex(cli.setup).run(wanted, RecordingReporter())
    assert json.loads(wanted.report.read_bytes()) == written


def test_half_a_report_gives_way_to_the_answer(tmp_path: Path) -> None:
    more = 'printf \'{"task_id": "T-0\' > "$LOOP_REPORT_PATH"'
    cli = answering(tmp_path, json.dumps(REPORT).encode(), more)
    wanted = job(tmp_path, Role.REVIEWER)
    codex(cli.setup).run(wanted, RecordingReporter())
    assert json.loads(wanted.report.read_bytes()) == REPORT


@pytest.mark.parametrize("answer", [b"I am done.", b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_no_report(tmp_path: Path, answer: bytes) -> None:
    wanted = job(tmp_path)
    codex(answering(tmp_path, answer).setup).run(wanted, RecordingReporter())
    assert not wanted.report.exists()


@pytest.mark.parametrize("document", [None, "text", 7, ["x"]])
def test_an_answer_of_claude_that_is_no_object_is_no_report(
    tmp_path: Path, document: object
) -> None:
    wanted = job(tmp_path)
    claude(install(tmp_path, "claude", structured(document)).setup).run(wanted, RecordingReporter())
    assert not wanted.report.exists()


def test_an_answer_of_an_earlier_attempt_is_not_taken(tmp_path: Path) -> None:
    wanted = job(tmp_path)
    (wanted.mailbox / "last_message.json").write_text(json.dumps(REPORT))
    codex(install(tmp_path, "codex").setup).run(wanted, RecordingReporter())
    assert not wanted.report.exists()


def test_a_link_in_place_of_the_answer_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(REPORT))
    cli = install(tmp_path, "codex")
    swap = f'while [ $# -gt 0 ]; do [ "$1" = -o ] && ln -s "{secret}" "$2"; shift; done\n'
    (cli.folder / "codex").write_text(f"#!/bin/sh\ncat >/dev/null\n{swap}")
    wanted = job(tmp_path)
    codex(cli.setup).run(wanted, RecordingReporter())
    assert not wanted.report.exists()


def limited(root: Path, environment: dict[str, str], **limits: Any) -> list[str]:
    cli = install(root, "claude", environment=environment)
    wanted: Assignment = job(root, **limits)
    claude(cli.setup).run(wanted, RecordingReporter())
    argv: list[str] = cli.call["argv"]
    return argv


def test_claude_holds_itself_to_turns_and_to_what_is_left_of_the_money(tmp_path: Path) -> None:
    key = {"ANTHROPIC_API_KEY": "k"}
    argv = limited(tmp_path, key, max_turns=7, max_cost_usd=1.25)
    assert argv[argv.index("--max-turns") + 1] == "7"
    assert argv[argv.index("--max-budget-usd") + 1] == "1.2500"


def test_a_subscription_has_no_price(tmp_path: Path) -> None:
    token = {"CLAUDE_CODE_OAUTH_TOKEN": "t"}
    assert "--max-budget-usd" not in limited(tmp_path, token, max_cost_usd=1.25)


def test_without_limits_no_limit_is_given(tmp_path: Path) -> None:
    argv = limited(tmp_path, {"ANTHROPIC_API_KEY": "k"})
    assert not {"--max-turns", "--max-budget-usd"} & set(argv)


def package(root: Path, place: str) -> Path:
    """An installation of codex as npm makes it, with its native program at `place`."""
    launcher = root / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
    program = root / "node_modules" / "@openai" / place
    for path in (launcher, program):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    link = root / "bin" / "codex"
    link.parent.mkdir()
    link.symlink_to(launcher)
    return link


@pytest.mark.parametrize(
    "place",
    [
        "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        "codex/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        "codex/vendor/aarch64-apple-darwin/bin/codex",
    ],
)
def test_the_native_program_is_run_and_not_its_launcher(tmp_path: Path, place: str) -> None:
    link = package(tmp_path, place)
    assert native(str(link)) == str(tmp_path / "node_modules" / "@openai" / place)


def test_a_launcher_without_a_program_is_run_itself(tmp_path: Path) -> None:
    link = package(tmp_path, "codex-linux-x64/README.md")
    assert native(str(link)) == str(link)
    assert native("/usr/bin/codex") == "/usr/bin/codex"
    assert native("") == ""
