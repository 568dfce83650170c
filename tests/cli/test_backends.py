"""Programs that are no built-in backend: by a command line, and by an installed package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, assert_refused

from loop_kit.adapters.agents.registry import Registry
from loop_kit.errors import BadSetting

DOCS = (Path(__file__).parents[2] / "docs" / "backends.md").read_text("utf-8")
EXAMPLE = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)[0]


def as_program(repo: Repo, name: str) -> Path:
    """The fake agent under another name."""
    path = repo.bin / name
    path.write_bytes((repo.bin / "codex").read_bytes())
    path.chmod(0o755)
    return path


def test_any_program_can_be_the_worker_and_the_reviewer(repo: Repo) -> None:
    as_program(repo, "my-agent")
    repo.plan(TWO_ROUNDS)
    line = "my-agent --file {prompt_file} '--out={report_path}' --in {workspace} '{other}'"
    result = repo.run("--worker-command", line, "--reviewer-command", "my-agent")
    assert result.code == 0, result.text
    call = repo.calls[0]
    assert call.argv[1] == "--file"
    assert call.argv[3] == f"--out={call.env['LOOP_REPORT_PATH']}"
    assert call.argv[5:] == [call.cwd, "{other}"]
    assert "Make VALUE right." in call.stdin
    assert "[worker] command starts" in result.out


def test_the_prompt_file_holds_the_prompt(repo: Repo) -> None:
    as_program(repo, "my-agent")
    copied = repo.fake / "prompt"
    repo.plan({"worker": [{"sh": f'cp "$LOOP_MAILBOX/prompt.md" {copied}'}, *TWO_ROUNDS_WORK]})
    assert repo.run("--worker-command", "my-agent {prompt_file}").code == 0
    assert copied.read_text() == repo.calls[0].stdin


TWO_ROUNDS_WORK = [{"write": {"calc.py": "VALUE = 2\n"}}, {"commit": "Value"}, {"report": {}}]


def test_no_shell_looks_at_the_command(repo: Repo) -> None:
    as_program(repo, "my-agent")
    result = repo.run("--worker-command", "my-agent '$(touch owned)' ';' 'touch owned'")
    assert result.code == 0, result.text
    assert repo.calls[0].argv[1:] == ["$(touch owned)", ";", "touch owned"]
    assert not (repo.root / "owned").exists()


def test_a_program_with_a_slash_is_looked_for_from_the_root(repo: Repo) -> None:
    tools = repo.root / "tools"
    tools.mkdir()
    as_program(repo, "x").rename(tools / "agent")
    (repo.root / "sub").mkdir()
    result = repo.run("--worker-command", "tools/agent", cwd=repo.root / "sub")
    assert result.code == 0, result.text
    assert repo.calls[0].argv[0] == str(tools / "agent")


@pytest.mark.parametrize("line", ["no-such-program", "tools/none", "/no/such/program", "README.md"])
def test_a_program_that_is_not_there_costs_nothing(repo: Repo, line: str) -> None:
    result = repo.run("--worker-command", line)
    assert result.code == 2
    assert repo.calls == []
    assert line.split(maxsplit=1)[0] in repo.state["error"]


def test_the_backend_command_without_a_command_is_refused(repo: Repo) -> None:
    assert_refused(repo.run("--worker-backend", "command"), 3, "--worker-command")


def test_quotes_that_do_not_close_are_refused(repo: Repo) -> None:
    assert_refused(repo.run("--worker-command", "my-agent 'x"), 3, "quot")


def install(repo: Repo, target: str = "my_package:backend", name: str = "Mine") -> dict[str, str]:
    """A package with the example of the documentation, found through its entry point."""
    site = repo.home / "site"
    about = site / "my_package-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "my_package.py").write_text(EXAMPLE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[loop_kit.backends]\n{name} = {target}\n")
    return {"PYTHONPATH": str(site)}


def test_the_example_of_the_documentation_is_20_lines_and_works(repo: Repo) -> None:
    assert len(EXAMPLE.strip().splitlines()) == 20
    as_program(repo, "my-agent")
    said = [{"say": {"type": "shell", "command": "pytest -q"}}, {"say": {"text": "hello"}}]
    repo.plan({"worker": [*said, *TWO_ROUNDS_WORK]})
    result = repo.run("--worker-backend", " MINE ", env=install(repo))
    assert result.code == 0, result.text
    assert "[worker] mine starts" in result.out
    assert "[worker] Running: pytest -q" in result.out
    assert "[worker] Message: hello" in result.out
    assert repo.calls[0].argv[1:] == ["--json"]


def test_an_unknown_backend_lists_those_of_packages_too(repo: Repo) -> None:
    assert_refused(repo.run("--worker-backend", "nope", env=install(repo)), 3, "command, mine")


@pytest.mark.parametrize("target", ["my_package:missing", "no_such_module:x", "my_package:.."])
def test_a_package_that_cannot_be_loaded_is_named(repo: Repo, target: str) -> None:
    env = install(repo, target)
    assert_refused(repo.run("--worker-backend", "mine", env=env), 3, "mine", "package")


def test_a_package_cannot_take_the_place_of_a_backend_of_ours(repo: Repo) -> None:
    result = repo.run(env=install(repo, name="codex"))
    assert result.code == 0, result.text
    assert repo.calls[0].argv[1] == "exec"


def test_repositories_bring_no_backends(repo: Repo) -> None:
    env = install(repo)
    site = Path(env["PYTHONPATH"])
    site.rename(repo.root / "site")
    for path in (repo.root / "site").iterdir():
        path.rename(repo.root / path.name)
    assert_refused(repo.run("--worker-backend", "mine"), 3, "Unknown backend")
    assert (repo.root / "my_package.py").exists()


@pytest.mark.parametrize("name", ["", "  ", "a b", "-x", "codex", " CODEX ", "a/b"])
def test_a_name_that_cannot_be_a_backends_is_refused(name: str) -> None:
    registry = Registry({"codex": lambda setup: NotImplemented})
    with pytest.raises(BadSetting):
        registry.register(name, lambda setup: NotImplemented)


def test_a_registered_name_is_trimmed_and_lower_cased() -> None:
    registry = Registry({})
    registry.register("  Mine ", lambda setup: NotImplemented)
    assert registry.find("MINE") is not None
    assert registry.names() == ("mine",)


@pytest.mark.parametrize("path", [".claude/settings.json", ".opencode/plugin/x.js", ".mcp.json"])
def test_a_worker_in_a_clone_cannot_leave_configuration_for_the_reviewer(
    repo: Repo, path: str
) -> None:
    planted = [{"write": {path: "{}"}}, {"sh": "git add -A -f"}, *TWO_ROUNDS_WORK]
    repo.plan({"worker": planted})
    result = repo.run()
    assert result.code == 7, result.text
    assert repo.state["reasons"] == ["protected_path"]
    assert not [call for call in repo.calls if call.role == "reviewer"]
