"""The process of a job after its first agent: it takes nothing from where an agent may write."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import MakeHub

WATCHED = """
import sys
from pathlib import Path
began = False
def hear(event, args):
    global began
    if event == "subprocess.Popen" and "scripted" in str(args[1]):
        began = True
        Path({!r}).touch()
    elif event == "import" and began:
        with open({!r}, "a") as file:
            print(args[0], args[1], file=file)
sys.addaudithook(hear)
sys.argv[:] = ["loop", "action"]
from loop_kit.cli.main import main
main()
"""


def test_nothing_is_imported_after_the_first_agent(make_hub: MakeHub) -> None:
    hub = make_hub()
    began, late = hub.root / "began", hub.root / "late"
    hub.command = (sys.executable, "-P", "-c", WATCHED.format(str(began), str(late)))

    first = hub.job()
    second = hub.continued()

    assert first.outputs["continue"] == "true", first.log
    assert second.outputs["outcome"] == "approved", second.log
    assert began.exists()
    assert not late.exists(), late.read_text()
