"""What of a system some tests need that others lack: such a test is collected where it can run.

Nothing is skipped: a test of a named pipe has nothing to prove where there are none. A place is a
file or folder of tests, or one test in a file. docs/laptop.md and `loop doctor` name the needs that
Windows does not meet.
"""

from collections.abc import Iterator, Mapping, Sequence

NEEDS: Mapping[str, Sequence[str]] = {
    "rooms": ("test_benchmarks.py::test_the_start_of_each_room_of_this_machine_is_measured",),
    "POSIX shell": (
        "adapters/loop_dir/test_event_command.py",
        "core/forge/test_take_over.py",
    ),
    "script programs": (
        "actions/test_start.py",
        "adapters/agents",
        "cli/test_agent_problems.py",
        "cli/test_backends.py",
        "cli/test_doctor.py",
        "cli/test_two_rounds.py",
    ),
    "links and pipes": (
        "adapters/files",
        "adapters/loop_dir/test_context_folder.py",
        "adapters/loop_dir/test_loop_folder.py",
        "adapters/loop_dir/test_mailbox.py",
        "adapters/loop_dir/test_run_record.py",
        "adapters/loop_dir/test_workspace_bus.py",
        "cli/test_card.py",
        "cli/test_commands.py",
        "cli/test_dispatch_metrics.py",
        "cli/test_index.py",
        "cli/test_init_github.py",
        "cli/test_newcomer.py",
        "cli/test_refusals.py",
    ),
    "signals": (
        "adapters/loop_dir/test_file_store.py",
        "adapters/loop_dir/test_write_ahead.py",
        "cli/test_clean.py",
        "cli/test_knowledge.py",
        "cli/test_small_commands.py",
        "contracts/test_github_refusals.py",
    ),
}
"""By need: the tests that have it."""

UNMET: Mapping[str, Sequence[str]] = {"darwin": ("rooms",), "win32": tuple(NEEDS)}
"""By what Python calls a system: the needs that it does not meet."""


def left_out(platform: str) -> Iterator[str]:
    """The places of the tests that need what this system lacks."""
    for need in UNMET.get(platform, ()):
        yield from NEEDS[need]
