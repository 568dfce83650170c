"""`loop doctor`: whether a loop can run here, and what to type where it cannot."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import ExitCode


def doctor(
    worker_backend: str | None = typer.Option(None, help="As for `loop run`."),
    reviewer_backend: str | None = typer.Option(None, help="As for `loop run`."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Check git, settings and the agents' programs: versions, flags, keys, and what to fix."""
    from loop_kit.core.agent.checkup import check_lines, verdict
    from loop_kit.usecases.doctor import examine

    flags = {"worker_backend": worker_backend, "reviewer_backend": reviewer_backend}
    given = {name: value for name, value in flags.items() if value}
    found = examine(Path.cwd(), dict(os.environ), loop_dir, given)
    roles = ", ".join(f"{role} {name}" for role, name in found.roles.items())
    conclusion = verdict(found.checks, roles)
    ready = not any(check.is_blocking for check in found.checks)
    if as_json:
        checks = [asdict(check) for check in found.checks]
        body = {"ready": ready, "verdict": conclusion, "roles": found.roles, "checks": checks}
        typer.echo(json.dumps(body, indent=2))
    else:
        for line in (*check_lines(found.checks), conclusion):
            typer.echo(line)
    if not ready:
        raise typer.Exit(int(ExitCode.VALIDATION))
