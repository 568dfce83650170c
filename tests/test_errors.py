"""Which errors are of the user's disk, and which may be bugs."""

from __future__ import annotations

import errno
import os

import pytest

from loop_kit.errors import disk_refusal, naming_file


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_the_users_also_where_the_error_names_no_file(code: int) -> None:
    refused = disk_refusal(OSError(code, os.strerror(code)))
    assert refused is not None
    assert refused.sentence == f"A file could not be written: {os.strerror(code)}."
    named = disk_refusal(OSError(code, os.strerror(code), "/a/file"))
    assert named is not None
    assert named.sentence == f"/a/file: {os.strerror(code)}."


def test_a_disk_without_room_for_temporary_files_is_the_users() -> None:
    message = "No usable temporary directory found in ['/tmp']"
    refused = disk_refusal(FileNotFoundError(errno.ENOENT, message))
    assert refused is not None
    assert refused.sentence == f"{message}."


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOENT, "No such file or directory", "/a/file"),
        OSError(errno.EISDIR, "Is a directory"),
        OSError(errno.EBADF, "Bad file descriptor"),
        ValueError("No space left on device"),
    ],
)
def test_everything_else_may_be_a_bug(error: Exception) -> None:
    assert disk_refusal(error) is None


def test_an_error_that_names_a_file_keeps_that_name() -> None:
    def fail(error: OSError) -> object:
        with pytest.raises(OSError) as caught, naming_file("/ours"):  # noqa: PT011
            raise error
        return caught.value.filename

    assert fail(OSError(errno.ENOSPC, "full")) == "/ours"
    assert fail(OSError(errno.ENOSPC, "full", "/theirs")) == "/theirs"
