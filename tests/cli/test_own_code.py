"""Whose code runs: never a module of the user's repository."""

from __future__ import annotations

from tests.cli.harness import TWO_ROUNDS, Repo

TRAP = "raise SystemExit('the module of the repository was imported')\n"


def plant(repo: Repo) -> None:
    for name in ("json.py", "yaml.py", "types.py", "loop_kit/__init__.py", "sitecustomize.py"):
        path = repo.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRAP)
    repo.git("add", "--all", "--", ":!.loop")
    repo.git("commit", "--quiet", "-m", "Traps")


def test_modules_in_the_repository_are_not_imported(repo: Repo) -> None:
    plant(repo)
    (repo.folder / "config.yaml").write_text("max_rounds: 3\n")
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    for args in (("status",), ("init",), ("--version",)):
        assert repo.loop(*args).code == 0


def test_rounds_run_in_one_process(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    assert len({call.parent for call in repo.calls}) == 1
