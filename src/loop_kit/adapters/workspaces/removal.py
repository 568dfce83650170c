"""Removes folders that programs have filled."""

import shutil
from collections.abc import Callable
from pathlib import Path


def remove(path: Path) -> None:
    """Remove a folder with everything in it, whatever its modes."""

    def retry_writable(function: Callable[[str], object], name: str, _: object) -> None:
        parent = Path(name).parent
        try:
            parent.chmod(0o700)
            Path(name).chmod(0o700)
            function(name)
        except OSError:
            return

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=retry_writable)
