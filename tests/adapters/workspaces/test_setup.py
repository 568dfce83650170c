"""`workspace-setup`: commands that prepare a workspace, their output, and their secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.preparing import Preparing

from loop_kit.adapters.workspaces.manifests import is_manifest
from loop_kit.ports import SetupFailed

SECRET = "npm-s3cret-token"


@pytest.fixture
def preparing(local: Local, tmp_path: Path) -> Preparing:
    return Preparing(local, tmp_path)


def test_commands_run_in_the_workspace_one_after_the_other(preparing: Preparing) -> None:
    preparing.setup = ("mkdir installed", "cp a.py installed/b.py && echo done")

    path = preparing.prepared()

    assert (path / "installed" / "b.py").read_text() == "one\ntwo\nthree\n"
    logged = preparing.log.read_text()
    assert "$ mkdir installed\n" in logged
    assert logged.endswith("done\n")
    assert preparing.notes[0] == "Preparing a workspace: mkdir installed"


def test_a_command_that_fails_is_an_error_with_its_code_and_the_end_of_its_output(
    preparing: Preparing,
) -> None:
    preparing.setup = ("echo first", "echo no lock file in $PWD/; exit 3", "touch never")

    with pytest.raises(SetupFailed) as failed:
        preparing.prepared()

    error = failed.value
    assert "`echo no lock file in $PWD/; exit 3` failed (exit code 3)" in error.sentence
    assert str(preparing.log) in error.remedy
    assert error.result is not None
    assert (error.result.exit_code, error.result.tail) == (3, "no lock file in \n")
    assert not (preparing.tmp_path / "scratch" / "workspace-1" / "never").exists()


def test_a_program_that_is_missing_is_to_be_installed(preparing: Preparing) -> None:
    preparing.setup = ("no-such-program-here",)

    with pytest.raises(SetupFailed, match="exit code 127") as failed:
        preparing.prepared()
    assert failed.value.remedy.startswith("Install its program")


def test_a_command_that_takes_too_long_is_ended(preparing: Preparing) -> None:
    preparing.setup = ("echo begins; sleep 60",)
    preparing.timeout = 1

    with pytest.raises(SetupFailed, match="took longer than 1 s") as failed:
        preparing.prepared()
    assert failed.value.result is not None
    assert failed.value.result.exit_code == 124
    assert "verify-timeout" in failed.value.remedy


def test_secrets_reach_setup_and_neither_its_log_nor_its_error(preparing: Preparing) -> None:
    preparing.secrets = {"NPM_TOKEN": SECRET}
    preparing.setup = ('test "$NPM_TOKEN" = npm-s3cret-token && echo "has $NPM_TOKEN"; exit 1',)

    with pytest.raises(SetupFailed) as failed:
        preparing.prepared()

    assert failed.value.result is not None
    assert failed.value.result.tail == "has ***\n"
    assert SECRET not in preparing.log.read_text().split("$ ", 1)[1].split("\n", 1)[1]


def test_secrets_are_withheld_once_an_agent_has_changed_a_manifest(preparing: Preparing) -> None:
    local = preparing.local
    base = local.commit({"package.json": "{}\n"})
    preparing.base = base
    preparing.secrets = {"NPM_TOKEN": SECRET}
    preparing.setup = ("echo ${NPM_TOKEN-without} > seen",)
    sources = local.commit({"a.py": "new\n"})
    manifests = local.commit({"package.json": '{"scripts": {"install": "x"}}\n'})

    assert (preparing.prepared(base) / "seen").read_text() == f"{SECRET}\n"
    assert (preparing.prepared(sources) / "seen").read_text() == f"{SECRET}\n"
    assert (preparing.prepared(manifests) / "seen").read_text() == "without\n"
    assert [w for w in preparing.warnings if "withheld" in w and "package.json" in w]


def test_a_file_that_a_command_names_counts_as_a_manifest(preparing: Preparing) -> None:
    local = preparing.local
    base = local.commit({"scripts/deps.sh": "echo ok\n"})
    changed = local.commit({"scripts/deps.sh": "env > /tmp/x\n"})
    preparing.base = base
    preparing.setup = ("sh ./scripts/deps.sh",)
    preparation = preparing.preparation()

    assert preparation.key(base) != preparation.key(changed)


@pytest.mark.parametrize(
    "path",
    [
        *("package.json", "web/package-lock.json", "pnpm-lock.yaml", "yarn.lock", ".npmrc"),
        *("pyproject.toml", "uv.lock", "requirements-dev.txt", "setup.py", "Pipfile.lock"),
        *("go.mod", "go.sum", "Cargo.lock", "Gemfile", "pom.xml", "app/build.gradle.kts"),
        *("Makefile", ".yarnrc.yml", "poetry.lock"),
    ],
)
def test_manifests_and_lock_files_are_known_by_name(path: str) -> None:
    assert is_manifest(path)
    assert not is_manifest(f"{path}/a.py")


def test_a_key_is_the_same_while_what_setup_reads_is(preparing: Preparing) -> None:
    local = preparing.local
    base = local.commit({"package.json": "{}\n"})
    sources = local.commit({"a.py": "new\n"})
    manifests = local.commit({"package.json": '{"name": "x"}\n'})
    preparing.base = base
    preparing.setup = ("npm ci",)
    preparation = preparing.preparation()

    assert preparation.key(base) == preparation.key(sources) != preparation.key(manifests)
    assert preparation.source(sources) == base
    assert preparation.source(manifests) == manifests
    preparing.setup = ("npm install",)
    assert preparing.preparation().key(base) != preparation.key(base)


def test_without_any_setting_nothing_is_prepared(preparing: Preparing) -> None:
    assert preparing.preparation().key(preparing.local.head) is None


def test_what_an_agent_broke_does_not_stop_the_loop_but_is_remembered(
    preparing: Preparing,
) -> None:
    local = preparing.local
    preparing.base = local.commit({"package.json": "good\n"})
    preparing.setup = ("grep good package.json",)
    broken = local.commit({"package.json": "bad\n"})
    preparation = preparing.preparation()

    preparing.prepared(broken, preparation)

    failure = preparation.failure(broken)
    assert failure is not None
    assert failure.result is not None
    assert failure.result.exit_code == 1
    assert preparation.failure(preparing.base) is None
    assert "package.json" in preparing.warnings[0]


def test_what_fails_without_the_secrets_that_are_withheld_stops_the_loop(
    preparing: Preparing,
) -> None:
    local = preparing.local
    preparing.base = local.commit({"package.json": "{}\n"})
    preparing.setup = ('test -n "$NPM_TOKEN"',)
    preparing.secrets = {"NPM_TOKEN": SECRET}
    changed = local.commit({"package.json": '{"name": "x"}\n'})

    with pytest.raises(SetupFailed, match="secrets of setup-env are withheld"):
        preparing.prepared(changed)


def test_an_environment_that_setup_makes_is_used_by_its_next_command(preparing: Preparing) -> None:
    preparing.environ = {"VIRTUAL_ENV": "/home/mona/venv"}
    preparing.setup = (
        "mkdir -p .venv/bin && touch .venv/pyvenv.cfg && echo ${VIRTUAL_ENV-none} > first",
        "printf '#!/bin/sh\\necho own' > .venv/bin/tool && chmod +x .venv/bin/tool",
        "tool > second && echo $VIRTUAL_ENV > third",
    )

    path = preparing.prepared()

    assert (path / "first").read_text() == "none\n"
    assert (path / "second").read_text() == "own\n"
    assert (path / "third").read_text() == f"{path}/.venv\n"


def test_an_environment_of_its_own_is_activated_unless_it_was_committed(
    preparing: Preparing,
) -> None:
    local = preparing.local
    preparing.base = local.head
    preparing.setup = ("mkdir -p .venv/bin && touch .venv/pyvenv.cfg",)
    preparation = preparing.preparation()
    path = preparing.prepared(local.head, preparation)

    active = preparation.environment(path, local.head, trusts_work=False)

    assert active["VIRTUAL_ENV"] == str(path / ".venv")
    assert active["PATH"].startswith(f"{path / '.venv' / 'bin'}:")
    committed = local.commit({".venv/pyvenv.cfg": "", ".venv/bin/codex": "#!/bin/sh\n"})
    planted = preparing.prepared(committed, preparation)
    assert preparation.environment(planted, committed, trusts_work=True) == {}


def test_a_reviewer_gets_no_environment_that_was_made_from_changed_manifests(
    preparing: Preparing,
) -> None:
    local = preparing.local
    preparing.base = local.commit({"pyproject.toml": ""})
    preparing.setup = ("mkdir -p .venv/bin && touch .venv/pyvenv.cfg",)
    preparation = preparing.preparation()
    changed = local.commit({"pyproject.toml": "[project]\n"})
    path = preparing.prepared(changed, preparation)

    assert preparation.environment(path, changed, trusts_work=False) == {}
    assert preparation.environment(path, changed, trusts_work=True) != {}
