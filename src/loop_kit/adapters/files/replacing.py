"""Replaces a file by another, also where that waits for programs that have it open."""

import os
import time

_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Between tries, in seconds: readers and virus scanners have a file open for a moment."""


def replace_file(draft: str, name: str) -> None:
    """Give `draft` the name `name`; Windows refuses it while a program has the old file open.

    Raises:
        OSError: it cannot be replaced.
    """
    for pause in _PAUSES if os.name == "nt" else ():
        try:
            os.replace(draft, name)  # noqa: PTH105
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.replace(draft, name)  # noqa: PTH105
