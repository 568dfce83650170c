"""Sets the times of a file, and never those of what a link leads to."""

import os
from pathlib import Path


def set_times(path: Path | str, accessed: int, modified: int) -> None:
    """Set the times of a file or folder, in nanoseconds; on Windows those of no link.

    Raises:
        OSError: it is not there, or they cannot be set.
    """
    if os.utime in os.supports_follow_symlinks:
        os.utime(path, ns=(accessed, modified), follow_symlinks=False)
    elif not os.path.islink(path):  # noqa: PTH114
        os.utime(path, ns=(accessed, modified))
