"""What of a system some tests need that others lack: such a test is collected where it can run.

Nothing is skipped: a test of a named pipe has nothing to prove where there are none. A place is a
file or folder of tests, or one test in a file. docs/laptop.md and `loop doctor` name the needs that
Windows does not meet.
"""

from collections.abc import Iterator, Mapping, Sequence

NEEDS: Mapping[str, Sequence[str]] = {
    "rooms": (
        "test_benchmarks.py::test_the_start_of_each_room_of_this_machine_is_measured",
        "test_security_page.py",
    ),
    "fork": ("cli",),
    "POSIX shell": (
        "adapters/loop_dir/test_event_command.py",
        "core/forge/test_take_over.py",
        "test_release.py::test_the_printed_command_publishes_commit_and_tag_together",
    ),
    "script programs": (
        "actions/test_start.py",
        "adapters/agents",
    ),
    "links and pipes": (
        "adapters/files",
        "adapters/loop_dir/test_context_folder.py::test_a_context_folder_that_is_a_link",
        "adapters/loop_dir/test_context_folder.py::test_a_damaged_file_reads_as_empty",
        "adapters/loop_dir/test_mailbox.py",
        "adapters/loop_dir/test_run_record.py",
        "adapters/loop_dir/test_workspace_bus.py",
        "systems/test_windows.py::test_the_times_of_a_file",
    ),
    "free file names": (
        "adapters/loop_dir/test_loop_folder.py::test_a_folder_with_the_characters_of_a_pattern",
        "adapters/loop_dir/test_loop_folder.py::test_generated_files_are_hidden_and_what_is",
    ),
    "signals and limits": (
        "adapters/loop_dir/test_file_store.py::test_a_disk_that_is_full",
        "adapters/loop_dir/test_write_ahead.py",
    ),
}
"""By need: the tests that have it."""

UNMET: Mapping[str, Sequence[str]] = {"darwin": ("rooms",), "win32": tuple(NEEDS)}
"""By what Python calls a system: the needs that it does not meet."""


def left_out(platform: str) -> Iterator[str]:
    """The places of the tests that need what this system lacks."""
    for need in UNMET.get(platform, ()):
        yield from NEEDS[need]
