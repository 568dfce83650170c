"""The embedded backend: replays a YAML script of edits, commits and reports, without a model.

It is a real agent process that gets its job by `LOOP_*`, so that a loop with it runs the same
code as a loop with a model. The script may also misbehave, for tests and dry runs.
"""

import json
import sys
from pathlib import Path

import loop_kit
from loop_kit.adapters.agents.command_line import CommandLineAgent, Invocation, Setup
from loop_kit.adapters.agents.script import Script, parse_script
from loop_kit.adapters.agents.usage_file import UsageFileReader
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadBusFile, BadSetting
from loop_kit.ports import Assignment

DEFAULT_SCRIPT = f"{LOOP_DIR}/script.yml"


def scripted(setup: Setup) -> CommandLineAgent:
    """The backend `scripted`; its one argument is the script, relative to the repository.

    Raises:
        BadBusFile: the script is missing or wrong.
        BadSetting: more than one argument is given.
    """
    if len(setup.args) > 1:
        raise BadSetting(
            f"The backend scripted takes one argument, the script, and got {len(setup.args)}.",
            "Give one path.",
            anchor="backend-incomplete",
        )
    path = setup.root / (setup.args[0] if setup.args else DEFAULT_SCRIPT)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadBusFile(
            f"The script {path} cannot be read: {error.strerror}.",
            "Write it, or name another with --worker-args and --reviewer-args.",
            anchor="script-invalid",
        ) from None
    script = parse_script(raw, str(path))

    def command(assignment: Assignment, executable: str) -> Invocation:
        argv = [executable, "-P", "-m", "loop_kit.adapters.agents.scripted_player"]
        environment = {"PYTHONPATH": str(Path(loop_kit.__file__).parent.parent)}
        return Invocation(argv, _scene(script, assignment), environment)

    return CommandLineAgent("scripted", setup, lambda: sys.executable, command, UsageFileReader)


def _scene(script: Script, assignment: Assignment) -> bytes:
    """The steps for this job as JSON, or null: the player reads no YAML and starts in no time."""
    scene = script.scene(assignment.role.job, assignment.round, assignment.attempt)
    steps = scene and [step.model_dump(exclude_unset=True) for step in scene.steps]
    return json.dumps(steps).encode()
