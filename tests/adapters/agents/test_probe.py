"""Agent programs that are absent, old, new, broken or hostile, and which key reaches them."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from loop_kit.adapters.agents.catalogue import KNOWN, KnownProgram
from loop_kit.adapters.agents.probe import Surroundings, login, probe
from loop_kit.core.agent.checkup import Check, CheckState

CODEX, CLAUDE, OPENCODE = KNOWN["codex"], KNOWN["claude"], KNOWN["opencode"]
CODEX_HELP = """\
Usage: codex exec [OPTIONS] [PROMPT]
Commands:
  resume  Resume a previous session by id or pick the most recent with --last
Options:
  -c, --config <key=value>
      --disable <FEATURE>
  -m, --model <MODEL>
      --dangerously-bypass-approvals-and-sandbox
  -C, --cd <DIR>
      --skip-git-repo-check
      --color <COLOR>
      --json
      --output-schema <FILE>
  -o, --output-last-message <FILE>
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


class Machine:
    """A home folder, one folder on PATH, and a program in it that nobody has installed."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.home = home
        self.known = replace(CODEX, name="codex-of-nobody")

    @property
    def program(self) -> Path:
        return self.bin / self.known.name

    def install(self, script: str, *, mode: int = 0o755) -> None:
        self.program.write_text(script, "utf-8")
        self.program.chmod(mode)

    def answers(self, version: str, help_text: str = CODEX_HELP) -> None:
        """Install a program that prints these."""
        for name, text in (("version", version), ("help", help_text)):
            (self.bin / name).write_text(text, "utf-8")
        here = self.bin
        self.install(
            f'#!/bin/sh\ncase "$*" in --version) cat {here}/version;; *) cat {here}/help;; esac\n'
        )

    def look(self, patience: float = 10, **variables: str) -> list[Check]:
        plain = {"PATH": f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": str(self.home)}
        seen = {**plain, "CODEX_API_KEY": "sk-key-of-the-test"}
        return probe(
            self.known,
            Surroundings({**plain, **variables}, seen, seen, self.home, patience),
        )


@pytest.fixture
def machine(tmp_path: Path, home: Path) -> Machine:
    return Machine(tmp_path, home)


def test_a_program_that_is_not_there_is_to_be_installed_by_one_command(machine: Machine) -> None:
    (check,) = machine.look()

    assert (check.state, check.detail) == (CheckState.MISSING, "not on PATH")
    assert check.fix == "npm install --global @openai/codex@0.169.0"


def test_a_file_on_path_that_is_not_executable_is_named(machine: Machine) -> None:
    machine.install("#!/bin/sh\n", mode=0o644)

    (check,) = machine.look()

    assert (check.state, check.fix) == (CheckState.WRONG, f"chmod +x {machine.program}")
    assert stat.S_IMODE(machine.program.stat().st_mode) == 0o644


def test_the_version_and_the_flags_that_we_know_are_right(machine: Machine) -> None:
    machine.answers("codex-cli 0.169.0\n")

    version, flags, logged_in = machine.look()

    assert (version.state, version.detail) == (CheckState.OK, f"0.169.0, {machine.program}")
    assert (flags.state, flags.detail) == (CheckState.OK, "all 11 that loop-kit passes")
    assert (logged_in.state, logged_in.detail) == (CheckState.OK, "by CODEX_API_KEY")


def test_an_old_version_is_warned_of_with_what_to_install(machine: Machine) -> None:
    machine.answers("codex-cli 0.99.1")

    version = machine.look()[0]

    assert version.state is CheckState.WARN
    assert "0.99.1 is older than 0.169.0" in version.detail
    assert version.fix == "npm install --global @openai/codex@0.169.0"


def test_a_newer_version_is_fine_as_long_as_its_help_names_our_flags(machine: Machine) -> None:
    machine.answers("codex-cli 0.200.0")

    version, flags, _ = machine.look()

    assert (version.state, flags.state) == (CheckState.OK, CheckState.OK)
    assert "newer than 0.169.0" in version.detail


def test_a_flag_that_is_gone_is_named(machine: Machine) -> None:
    machine.answers("codex-cli 0.200.0", CODEX_HELP.replace("--json", "--jsonl"))

    flags = machine.look()[1]

    assert flags.state is CheckState.WRONG
    assert flags.detail == "`codex-of-nobody exec --help` does not name --json"
    assert flags.fix == "npm install --global @openai/codex@0.169.0"


def test_a_version_that_nobody_can_read_is_quoted_on_one_line(machine: Machine) -> None:
    machine.answers("\x1b]0;owned\x07hello\nworld")

    version = machine.look()[0]

    assert version.state is CheckState.WARN
    assert "it printed 'hello world'" in version.detail


def test_a_program_that_prints_nothing_is_of_unknown_version(machine: Machine) -> None:
    machine.answers("", "")

    version, flags, _ = machine.look()

    assert "it printed 'nothing'" in version.detail
    assert "--json" in flags.detail


def test_a_program_that_hangs_is_ended_and_asked_nothing_more(machine: Machine) -> None:
    machine.install("#!/bin/sh\nexec sleep 600\n")

    (check,) = machine.look(patience=0.3)

    assert check.state is CheckState.WRONG
    assert check.detail == "`codex-of-nobody --version` did not end within 0.3 s"


def test_help_that_hangs_is_a_warning(machine: Machine) -> None:
    machine.install('#!/bin/sh\n[ "$1" = --version ] && echo 0.169.0 && exit\nexec sleep 600\n')

    flags = machine.look(patience=1)[1]

    assert (flags.state, "did not end within 1 s" in flags.detail) == (CheckState.WARN, True)


def test_a_program_that_fails_is_quoted_by_its_last_line(machine: Machine) -> None:
    machine.install("#!/bin/sh\necho first >&2; echo native binary missing >&2; exit 3\n")

    (check,) = machine.look()

    assert check.state is CheckState.WRONG
    assert check.detail.endswith("`codex-of-nobody --version`: native binary missing")
    assert check.detail.startswith("exit code 3 from")


def test_a_program_that_is_no_program_is_said_to_be_so(machine: Machine) -> None:
    machine.install("#!/no/such/interpreter\n")

    (check,) = machine.look()

    assert (check.state, check.fix) == (CheckState.WRONG, machine.known.install)


def test_endless_output_is_cut_and_the_program_ended(machine: Machine) -> None:
    machine.install("#!/bin/sh\necho 0.169.0\nexec yes\n")

    (check,) = machine.look(patience=1)

    assert check.state is CheckState.WRONG
    assert "did not end within 1 s" in check.detail
    assert len(check.detail) < 200


def test_looking_writes_nothing_into_the_homes_and_shows_the_program_no_key(
    machine: Machine, tmp_path: Path
) -> None:
    noted = tmp_path / "noted"
    machine.install(f'#!/bin/sh\nenv >> {noted}\nmkdir -p "$CODEX_HOME/tmp"; echo 0.169.0 --json\n')

    checks = machine.look(CODEX_HOME=str(machine.home / ".codex"))

    assert checks[0].state is CheckState.OK
    assert list(machine.home.iterdir()) == []
    assert "sk-key-of-the-test" not in noted.read_text("utf-8")


def test_a_launcher_that_needs_its_own_folders_is_asked_once_more(machine: Machine) -> None:
    own = str(machine.home / ".codex")
    machine.install(f'#!/bin/sh\n[ "$CODEX_HOME" = {own} ] || exit 1\necho 0.169.0\n')

    assert machine.look(CODEX_HOME=own)[0].state is CheckState.OK


TOKEN = "tok-0123456789-never-shown"


@pytest.mark.parametrize(
    ("known", "variable"),
    [
        (CODEX, "CODEX_API_KEY"),
        (CLAUDE, "ANTHROPIC_API_KEY"),
        (CLAUDE, "CLAUDE_CODE_OAUTH_TOKEN"),
        (CLAUDE, "CLAUDE_CODE_USE_BEDROCK"),
        (OPENCODE, "ANTHROPIC_API_KEY"),
    ],
)
def test_a_key_is_a_login_and_is_only_named(home: Path, known: KnownProgram, variable: str) -> None:
    seen = {"HOME": str(home), variable: TOKEN}

    check = login(known, seen, seen)

    assert (check.state, check.detail) == (CheckState.OK, f"by {variable}")


@pytest.mark.parametrize(
    ("known", "status", "fix"),
    [
        (CODEX, "codex login status", "codex login, or: export CODEX_API_KEY=..."),
        (CLAUDE, "claude auth status", "claude auth login, or: export ANTHROPIC_API_KEY=..."),
        (OPENCODE, "opencode auth list", "opencode auth login"),
    ],
)
def test_without_a_key_the_programs_own_commands_are_named(
    home: Path, known: KnownProgram, status: str, fix: str
) -> None:
    seen = {"HOME": str(home), "CODEX_API_KEY": TOKEN} if known is OPENCODE else {"HOME": str(home)}

    check = login(known, seen, seen)

    assert (check.state, check.fix) == (CheckState.WARN, fix)
    assert check.detail.endswith(f"see its own login with: {status}")
    assert TOKEN not in repr(check)


def test_a_key_under_the_name_of_another_program_is_pointed_out(home: Path) -> None:
    seen = {"HOME": str(home)}

    check = login(CODEX, seen, {**seen, "OPENAI_API_KEY": TOKEN})

    assert check.state is CheckState.WARN
    assert check.fix == 'export CODEX_API_KEY="$OPENAI_API_KEY"'


@pytest.mark.parametrize(
    ("known", "variable"),
    [
        (CODEX, "CODEX_ACCESS_TOKEN"),
        (CLAUDE, "ANTHROPIC_AUTH_TOKEN"),
        (OPENCODE, "OPENROUTER_API_KEY"),
    ],
)
def test_a_key_that_no_agent_gets_to_see_is_pointed_out(
    home: Path, known: KnownProgram, variable: str
) -> None:
    seen = {"HOME": str(home)}

    check = login(known, seen, {**seen, variable: TOKEN})

    assert check.state is CheckState.WARN
    assert check.fix == f"add to .loop/config.yaml: agent_env: [{variable}]"
