"""Agent programs that are absent, old, new, broken or hostile, and every way to be logged in."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from loop_kit.adapters.agents.checkup import Surroundings, look_at
from loop_kit.adapters.agents.known import KNOWN, KnownProgram
from loop_kit.adapters.agents.logins import login
from loop_kit.core.checkup import Check, State

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
        return look_at(
            self.known,
            Surroundings({**plain, **variables}, seen, seen, self.home, patience),
        )


@pytest.fixture
def machine(tmp_path: Path, home: Path) -> Machine:
    return Machine(tmp_path, home)


def test_a_program_that_is_not_there_is_to_be_installed_by_one_command(machine: Machine) -> None:
    (check,) = machine.look()

    assert (check.state, check.detail) == (State.MISSING, "not on PATH")
    assert check.fix == "npm install --global @openai/codex@0.169.0"


def test_a_file_on_path_that_is_not_executable_is_named(machine: Machine) -> None:
    machine.install("#!/bin/sh\n", mode=0o644)

    (check,) = machine.look()

    assert (check.state, check.fix) == (State.WRONG, f"chmod +x {machine.program}")
    assert stat.S_IMODE(machine.program.stat().st_mode) == 0o644


def test_the_version_and_the_flags_that_we_know_are_right(machine: Machine) -> None:
    machine.answers("codex-cli 0.169.0\n")

    version, flags, logged_in = machine.look()

    assert (version.state, version.detail) == (State.OK, f"0.169.0, {machine.program}")
    assert (flags.state, flags.detail) == (State.OK, "all 11 that loop-kit passes")
    assert (logged_in.state, logged_in.detail) == (State.OK, "by CODEX_API_KEY")


def test_an_old_version_is_warned_of_with_what_to_install(machine: Machine) -> None:
    machine.answers("codex-cli 0.99.1")

    version = machine.look()[0]

    assert version.state is State.WARN
    assert "0.99.1 is older than 0.169.0" in version.detail
    assert version.fix == "npm install --global @openai/codex@0.169.0"


def test_a_newer_version_is_fine_as_long_as_its_help_names_our_flags(machine: Machine) -> None:
    machine.answers("codex-cli 0.200.0")

    version, flags, _ = machine.look()

    assert (version.state, flags.state) == (State.OK, State.OK)
    assert "newer than 0.169.0" in version.detail


def test_a_flag_that_is_gone_is_named(machine: Machine) -> None:
    machine.answers("codex-cli 0.200.0", CODEX_HELP.replace("--json", "--jsonl"))

    flags = machine.look()[1]

    assert flags.state is State.WRONG
    assert flags.detail == "`codex-of-nobody exec --help` does not name --json"
    assert flags.fix == "npm install --global @openai/codex@0.169.0"


def test_a_version_that_nobody_can_read_is_quoted_on_one_line(machine: Machine) -> None:
    machine.answers("\x1b]0;owned\x07hello\nworld")

    version = machine.look()[0]

    assert version.state is State.WARN
    assert "it printed 'hello world'" in version.detail


def test_a_program_that_prints_nothing_is_of_unknown_version(machine: Machine) -> None:
    machine.answers("", "")

    version, flags, _ = machine.look()

    assert "it printed 'nothing'" in version.detail
    assert "--json" in flags.detail


def test_a_program_that_hangs_is_ended_and_asked_nothing_more(machine: Machine) -> None:
    machine.install("#!/bin/sh\nexec sleep 600\n")

    (check,) = machine.look(patience=0.3)

    assert check.state is State.WRONG
    assert check.detail == "`codex-of-nobody --version` did not end within 0.3 s"


def test_help_that_hangs_is_a_warning(machine: Machine) -> None:
    machine.install('#!/bin/sh\n[ "$1" = --version ] && echo 0.169.0 && exit\nexec sleep 600\n')

    flags = machine.look(patience=1)[1]

    assert (flags.state, "did not end within 1 s" in flags.detail) == (State.WARN, True)


def test_a_program_that_fails_is_quoted_by_its_last_line(machine: Machine) -> None:
    machine.install("#!/bin/sh\necho first >&2; echo native binary missing >&2; exit 3\n")

    (check,) = machine.look()

    assert check.state is State.WRONG
    assert check.detail.endswith("`codex-of-nobody --version`: native binary missing")
    assert check.detail.startswith("exit code 3 from")


def test_a_program_that_is_no_program_is_said_to_be_so(machine: Machine) -> None:
    machine.install("#!/no/such/interpreter\n")

    (check,) = machine.look()

    assert (check.state, check.fix) == (State.WRONG, machine.known.install)


def test_endless_output_is_cut_and_the_program_ended(machine: Machine) -> None:
    machine.install("#!/bin/sh\necho 0.169.0\nexec yes\n")

    (check,) = machine.look(patience=1)

    assert check.state is State.WRONG
    assert "did not end within 1 s" in check.detail
    assert len(check.detail) < 200


def test_looking_writes_nothing_into_the_homes_and_shows_the_program_no_key(
    machine: Machine, tmp_path: Path
) -> None:
    noted = tmp_path / "noted"
    machine.install(f'#!/bin/sh\nenv >> {noted}\nmkdir -p "$CODEX_HOME/tmp"; echo 0.169.0 --json\n')

    checks = machine.look(CODEX_HOME=str(machine.home / ".codex"))

    assert checks[0].state is State.OK
    assert list(machine.home.iterdir()) == []
    assert "sk-key-of-the-test" not in noted.read_text("utf-8")


def test_a_launcher_that_needs_its_own_folders_is_asked_once_more(machine: Machine) -> None:
    own = str(machine.home / ".codex")
    machine.install(f'#!/bin/sh\n[ "$CODEX_HOME" = {own} ] || exit 1\necho 0.169.0\n')

    assert machine.look(CODEX_HOME=own)[0].state is State.OK


def logged_in(known: KnownProgram, home: Path, seen: Mapping[str, str] | None = None) -> Check:
    plain = {"HOME": str(home), **(seen or {})}
    return login(known, plain, plain)


def written(path: Path, body: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body if isinstance(body, str) else json.dumps(body), "utf-8")
    return path


TOKEN = "tok-0123456789-never-shown"


@pytest.mark.parametrize(
    ("known", "name", "body"),
    [
        (CODEX, ".codex/auth.json", {"OPENAI_API_KEY": TOKEN}),
        (CODEX, ".codex/auth.json", {"auth_mode": "chatgpt", "tokens": {"id_token": TOKEN}}),
        (CLAUDE, ".claude/.credentials.json", {"claudeAiOauth": {"accessToken": TOKEN}}),
        (CLAUDE, ".claude/settings.json", {"apiKeyHelper": f"echo {TOKEN}"}),
        (CLAUDE, ".claude/settings.json", {"env": {"ANTHROPIC_AUTH_TOKEN": TOKEN}}),
        (CLAUDE, ".claude.json", {"primaryApiKey": TOKEN}),
        (OPENCODE, ".local/share/opencode/auth.json", {"openai": {"key": TOKEN}}),
    ],
)
def test_a_login_is_found_in_the_programs_own_file(
    home: Path, known: KnownProgram, name: str, body: object
) -> None:
    file = written(home / name, body)

    check = logged_in(known, home)

    assert check.state is State.OK
    assert str(file) in check.detail
    assert TOKEN not in repr(check)


@pytest.mark.parametrize(
    ("known", "variable", "name", "body"),
    [
        (CODEX, "CODEX_HOME", "auth.json", {"OPENAI_API_KEY": TOKEN}),
        (
            CLAUDE,
            "CLAUDE_CONFIG_DIR",
            ".credentials.json",
            {"claudeAiOauth": {"refreshToken": "r"}},
        ),
        (CLAUDE, "CLAUDE_CONFIG_DIR", ".claude.json", {"primaryApiKey": TOKEN}),
        (OPENCODE, "XDG_DATA_HOME", "opencode/auth.json", {"openai": {"key": TOKEN}}),
    ],
)
def test_a_home_elsewhere_is_where_is_looked(
    tmp_path: Path, home: Path, known: KnownProgram, variable: str, name: str, body: object
) -> None:
    elsewhere = tmp_path / "elsewhere"
    written(elsewhere / name, body)

    assert logged_in(known, home, {variable: str(elsewhere)}).state is State.OK


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
    check = logged_in(known, home, {variable: TOKEN})

    assert (check.state, check.detail) == (State.OK, f"by {variable}")


@pytest.mark.parametrize(
    "body", [{}, [], {"auth_mode": "apikey", "OPENAI_API_KEY": None}, {"last_refresh": "2026"}]
)
def test_a_login_file_without_a_login_is_none(home: Path, body: object) -> None:
    written(home / ".codex" / "auth.json", body)

    check = logged_in(CODEX, home)

    assert check.state is State.MISSING
    assert check.fix == "codex login, or: export CODEX_API_KEY=..."


@pytest.mark.parametrize("body", ["{", "[" * 100_000, "\ud7ff\x00"])
def test_a_login_file_that_is_garbage_is_wrong_and_not_quoted(home: Path, body: str) -> None:
    file = written(home / ".codex" / "auth.json", body + TOKEN)

    check = logged_in(CODEX, home)

    assert (check.state, check.detail) == (State.WRONG, f"{file} is not JSON")
    assert check.fix == "codex login"


def test_a_login_file_that_is_a_folder_or_a_loop_of_links_is_wrong(home: Path) -> None:
    (home / ".codex" / "auth.json").mkdir(parents=True)
    assert "is not a regular file" in logged_in(CODEX, home).detail
    (home / ".codex" / "auth.json").rmdir()
    (home / ".codex" / "auth.json").symlink_to("auth.json")

    assert logged_in(CODEX, home).state is State.WRONG


def test_a_login_file_may_be_a_link_as_dotfile_managers_make_it(home: Path) -> None:
    kept = written(home / "dotfiles" / "auth.json", {"OPENAI_API_KEY": TOKEN})
    (home / ".codex").mkdir()
    (home / ".codex" / "auth.json").symlink_to(kept)

    assert logged_in(CODEX, home).state is State.OK


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('model_provider = "azure"\n', "names the provider azure"),
        ('cli_auth_credentials_store = "keyring"\n', "kept in the keyring"),
    ],
)
def test_a_login_that_files_cannot_tell_is_unknown_and_no_obstacle(
    home: Path, config: str, words: str
) -> None:
    written(home / ".codex" / "config.toml", config)

    check = logged_in(CODEX, home)

    assert (check.state, words in check.detail) == (State.WARN, True)


def test_a_configuration_that_cannot_be_parsed_is_wrong(home: Path) -> None:
    written(home / ".codex" / "config.toml", "= [")

    assert logged_in(CODEX, home).detail.endswith("config.toml is not TOML")


def test_a_key_under_the_name_of_another_program_is_pointed_out(home: Path) -> None:
    seen = {"HOME": str(home)}

    check = login(CODEX, seen, {**seen, "OPENAI_API_KEY": TOKEN})

    assert check.state is State.MISSING
    assert check.fix == 'export CODEX_API_KEY="$OPENAI_API_KEY"'


@pytest.mark.parametrize(
    ("known", "variable", "state"),
    [
        (CODEX, "CODEX_ACCESS_TOKEN", State.MISSING),
        (CLAUDE, "ANTHROPIC_AUTH_TOKEN", State.MISSING),
        (OPENCODE, "OPENROUTER_API_KEY", State.WARN),
    ],
)
def test_a_key_that_no_agent_gets_to_see_is_pointed_out(
    home: Path, known: KnownProgram, variable: str, state: State
) -> None:
    seen = {"HOME": str(home)}

    check = login(known, seen, {**seen, variable: TOKEN})

    assert check.state is state
    assert check.fix == f"add to .loop/config.yaml: agent_env: [{variable}]"


def test_opencode_without_a_login_can_still_use_models_that_need_none(home: Path) -> None:
    seen = {"HOME": str(home)}

    check = login(OPENCODE, seen, {**seen, "CODEX_API_KEY": TOKEN})

    assert (check.state, check.fix) == (State.WARN, "opencode auth login")
    written(home / ".config" / "opencode" / "opencode.json", {})
    assert "may name a provider" in logged_in(OPENCODE, home).detail
