"""The templates of the report are read before an agent could change them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import loop_kit.defaults

RENDERED_LATE = """
import sys
from loop_kit.usecases.report_render import _environment, compile_templates
compile_templates()
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(args[0]))
for name in sys.argv[1:]:
    _environment().get_template(name)
print(*opened)
"""


def test_no_template_of_a_page_is_read_once_all_are_compiled() -> None:
    folder = Path(loop_kit.defaults.__file__).parent / "report"
    names = [path.name for path in folder.iterdir() if path.name != "report.md.j2"]
    late = [sys.executable, "-P", "-c", RENDERED_LATE, *names]
    done = subprocess.run(late, capture_output=True, text=True, check=True, timeout=60)

    assert len(names) > 3
    assert done.stdout.split() == []
