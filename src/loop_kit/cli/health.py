"""`loop health` and `loop heartbeat`: whether the person or program in a role is alive."""

import json
import signal
import threading
from pathlib import Path

import typer

from loop_kit.cli.flags import LoopDir
from loop_kit.core.loop_dir import LOOP_DIR


def health(
    ttl: float = typer.Option(30, help="Seconds after which a heartbeat is stale."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Show whether worker and reviewer are alive."""
    from loop_kit.usecases.heartbeats import health_by_role

    found = health_by_role(Path.cwd(), loop_dir, ttl)
    if as_json:
        body = {
            role: {"alive": h.alive, "reason": h.reason, "age": h.age, "pid": h.pid}
            for role, h in found.items()
        }
        typer.echo(json.dumps(body, indent=2))
        return
    for role, h in found.items():
        typer.echo(f"  {role}: {'alive' if h.alive else 'dead'}  ({h.reason})")


def heartbeat(
    role: str = typer.Option(..., help="worker or reviewer."),
    interval: float = typer.Option(5, help="Seconds between two beats, at least 1."),
    loop_dir: LoopDir = LOOP_DIR,
) -> None:
    """Report that you are alive, until ^C; `loop health` shows it."""
    from loop_kit.usecases.heartbeats import heartbeat_of

    beat = heartbeat_of(Path.cwd(), loop_dir, role)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    typer.echo(f"Heartbeat of the {role} every {max(1.0, interval):g} s; end it with ^C.")
    while not stop.is_set():
        beat()
        stop.wait(max(1.0, interval))
