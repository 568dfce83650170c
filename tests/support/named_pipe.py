"""A named pipe: for reading, it is opened only when somebody writes to it."""

import os
from pathlib import Path


def make_pipe(path: Path) -> None:
    os.mkfifo(path)
