"""The rules of the house, read from the source by `ast` and from what a command really imports."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import loop_kit

PACKAGE = Path(loop_kit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}

FLOORS = (
    {"loop_kit", "errors", "frozen", "patterns", "defaults"},
    {"core", "core.text", "core.secrets"},
    {"core.agent", "core.card", "core.checks"},
    {"core.loop"},
    {"core.briefing", "core.forge", "core.report"},
    {"core.ci"},
    {"ports", "settings"},
    {"config_file", "adapters", "adapters.files", "adapters.terminal"},
    {"adapters.process", "adapters.runner"},
    {"adapters.github", "adapters.loop_dir"},
    {"adapters.agents", "adapters.git"},
    {"adapters.workspaces"},
    {"engine"},
    {"bootstrap", "backends"},
    {"usecases"},
    {"actions"},
    {"cli"},
    {"__main__"},
)
"""The house from the ground up: a package imports what is on a floor below it, and nothing else."""

STRANGERS = {
    ("engine", "adapters"),
    *(("adapters.git", "adapters.github"), ("adapters.agents", "adapters.github")),
    *(("adapters.workspaces", "adapters.github"), ("adapters.workspaces", "adapters.agents")),
    *(("adapters.github", "adapters.process"), ("adapters.github", "adapters.runner")),
}
"""Packages that do not know each other although one is on a lower floor."""

ENTRANCES = {"bootstrap", "backends", "usecases", "actions"}
"""Who else than adapters may name one."""
IMPURE = {
    *("os", "subprocess", "socket", "time", "random", "logging", "github", "typer", "pathlib"),
    *(
        "sys",
        "threading",
        "tempfile",
        "shutil",
        "requests",
        "rich",
        "psutil",
        "asyncio",
    ),
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
HEAVY = {"pydantic", "rich", "github"}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


PACKAGES = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def package_of(module: str) -> str:
    """The package of a module, as FLOORS names it: `core.loop` of `loop_kit.core.loop.state`."""
    parts = module.removeprefix("loop_kit.").split(".")
    roomy = len(parts) > 1 and parts[0] in {"core", "adapters"}
    return ".".join(parts[:2]) if roomy and (PACKAGE / parts[0] / parts[1]).is_dir() else parts[0]


def is_part_of(package: str, whole: str) -> bool:
    return package == whole or package.startswith(f"{whole}.")


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """The modules that `path` imports; `top_level` leaves out those inside functions."""
    nodes = TREES[path].body if top_level else ast.walk(TREES[path])
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else base for name in names)


def ours(path: Path, *, top_level: bool = False) -> set[str]:
    return {name for name in imports(path, top_level=top_level) if name in MODULES}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the name of what is called."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def where(path: Path, node: ast.stmt | ast.expr) -> str:
    return f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_every_package_has_a_floor_and_every_floor_only_packages_that_exist() -> None:
    assert {package_of(module) for module in MODULES} == set(PACKAGES)


def crossings() -> Iterator[tuple[str, str, str]]:
    """Every import from one package of another: where, and the two packages."""
    for module, path in MODULES.items():
        for name in ours(path):
            packages = package_of(module), package_of(name)
            if packages[0] != packages[1]:
                yield f"{module} imports {name}", *packages


def test_imports_go_down_the_floors_and_never_up_or_sideways() -> None:
    assert [where for where, a, b in crossings() if PACKAGES[a] <= PACKAGES[b]] == []


def test_strangers_do_not_know_each_other() -> None:
    wrong = [
        where
        for where, a, b in crossings()
        for upper, lower in STRANGERS
        if is_part_of(a, upper) and is_part_of(b, lower)
    ]
    assert wrong == []


def test_adapters_are_named_by_bootstrap_the_use_cases_and_the_action_alone() -> None:
    wrong = [
        where
        for where, a, b in crossings()
        if is_part_of(b, "adapters") and not is_part_of(a, "adapters") and a not in ENTRANCES
    ]
    assert wrong == []


def test_the_core_is_pure() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if is_part_of(package_of(module), "core")
        for name in imports(path)
        if name.split(".")[0] in IMPURE
    ]
    assert wrong == []


def test_the_core_opens_nothing_and_prints_nothing() -> None:
    acts = {"open", "print", "input", "eval", "exec", "compile", "__import__"}
    wrong = [
        f"{where(path, node)} {name}()"
        for module, path in MODULES.items()
        if is_part_of(package_of(module), "core")
        for node, name in calls(path)
        if name in acts
    ]
    assert wrong == []


def test_the_core_asks_no_clock() -> None:
    wrong = [
        f"{where(path, node)} {name}()"
        for module, path in MODULES.items()
        if is_part_of(package_of(module), "core")
        for node, name in calls(path)
        if name.rpartition(".")[2] in {"now", "utcnow", "today"}
    ]
    assert wrong == []


def test_the_layers_of_the_settings_are_stacked_in_one_place() -> None:
    wrong = [
        module
        for module, path in MODULES.items()
        if "loop_kit.settings" in imports(path)
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.ImportFrom) and node.module == "loop_kit.settings"
        for alias in node.names
        if alias.name in {"resolve", "environment_values", "input_values", "card_values"}
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "door"),
    [
        ("subprocess", "loop_kit.adapters.process.process"),
        ("github", "loop_kit.adapters.github.api"),
    ],
)
def test_a_dangerous_library_has_one_door(library: str, door: str) -> None:
    users = {
        module
        for module, path in MODULES.items()
        if library in {name.split(".")[0] for name in imports(path)}
    }
    assert users == {door}


def test_no_import_cycle() -> None:
    graph = {module: ours(path) - {module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for name in sorted(graph[module]):
            visit(name, (*path, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_no_global_and_no_eval() -> None:
    wrong = []
    for path in FILES:
        nodes = ast.walk(TREES[path])
        wrong += [f"{where(path, n)} global" for n in nodes if isinstance(n, ast.Global)]
        wrong += [where(path, node) for node, name in calls(path) if name in {"eval", "exec"}]
    assert wrong == []


def is_a_program(path: Path) -> bool:
    """Whether the file is also run by itself, and may therefore end its own process."""
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in TREES[path].body
    )


def test_only_the_command_line_ends_the_process() -> None:
    wrong = []
    for module, path in MODULES.items():
        ends = {"sys.exit", "exit", "quit", "os.abort"}
        if not is_a_program(path):
            ends |= {"SystemExit", "os._exit"}
        if module != "loop_kit.cli.main":
            wrong += [f"{where(path, n)} {name}" for n, name in calls(path) if name in ends]
    assert wrong == []


def lines_of(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The length of a function; what counts of a command is its body, not its list of flags."""
    first = node.body[0].lineno if path.parent.name == "cli" else node.lineno
    return (node.end_lineno or 0) - first + 1


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_file_is_over_400_lines_and_no_function_over_50(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES
    long = [
        f"{where(path, node)} {node.name}"
        for node in functions(path)
        if lines_of(path, node) > MAX_FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(TREES[path])


def test_every_function_is_annotated() -> None:
    wrong = []
    for path in FILES:
        for node in functions(path):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            named += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
            bare = [a.arg for a in named if a.annotation is None and a.arg not in {"self", "cls"}]
            if bare or node.returns is None:
                wrong.append(f"{where(path, node)} {node.name} {bare}")
    assert wrong == []


def test_no_stub_and_nothing_left_to_do() -> None:
    wrong = []
    for path in FILES:
        for node in functions(path):
            last = ast.unparse(node.body[-1])
            if last.startswith("raise NotImplementedError"):
                wrong.append(f"{where(path, node)} {node.name} is a stub")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if re.search(r"\b(?:TODO|FIXME|XXX|HACK)\b", line):
                wrong.append(f"{path.relative_to(PACKAGE)}:{number} {line.strip()}")
    assert wrong == []


def test_an_empty_body_is_found_only_in_protocols() -> None:
    wrong = [
        f"{where(path, node)} {node.name}"
        for module, path in MODULES.items()
        if package_of(module) != "ports"
        for node in functions(path)
        if all(
            isinstance(line, ast.Pass)
            or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            for line in node.body
        )
        if ast.get_docstring(node) is None
    ]
    assert wrong == []


def imported_by(folder: Path, *arguments: str) -> set[str]:
    """The modules that `python -X importtime -m loop_kit <arguments>` imports."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("LOOP_", "PYTHON"))}
    environ["HOME"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "loop_kit", *arguments],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def heavy(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules} & HEAVY


STARTED = [
    *(["--help"], ["--version"], ["init"], ["status"], ["status", "--json"], []),
    *(["health"], ["archive", "--task-id", "T-1"], ["knowledge", "list"]),
    *([command, "--help"] for command in ("init", "status", "run", "demo", "action")),
]


@pytest.mark.parametrize("arguments", STARTED, ids=" ".join)
def test_what_people_type_most_often_waits_for_no_heavy_import(
    tmp_path: Path, arguments: list[str]
) -> None:
    assert heavy(imported_by(tmp_path, *arguments)) == set()


def test_status_of_a_real_state_waits_for_no_heavy_import(tmp_path: Path) -> None:
    (tmp_path / ".loop").mkdir()
    state = '{"state": "done", "round": 2, "task_id": "T-609", "outcome": "approved"}'
    (tmp_path / ".loop" / "state.json").write_text(state, "utf-8")
    assert heavy(imported_by(tmp_path, "status")) == set()


NOT_OF_A_LAPTOP = {
    *("github", "requests", "rich", "markdown_it", "asyncio", "urllib.request"),
    *(f"loop_kit.adapters.agents.{name}" for name in ("claude", "codex", "opencode", "probe")),
    *(f"loop_kit.core.{name}" for name in ("agent.shell", "ci.requests", "forge.status")),
    *("loop_kit.engine.publisher", "loop_kit.adapters.replay", "loop_kit.cli.publish"),
}
"""What a local loop needs only in cases that most have not: each of them delays its start."""


def test_a_local_loop_loads_no_forge_and_nothing_for_cases_that_it_has_not(tmp_path: Path) -> None:
    loaded = imported_by(tmp_path, "demo")
    assert {"pydantic", "loop_kit.engine.engine"} <= loaded
    assert loaded & NOT_OF_A_LAPTOP == set()


def test_every_file_that_the_map_of_the_house_names_is_there() -> None:
    text = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(
        r"`((?:core|engine|actions|adapters|cli|defaults|ports|usecases)/[\w/.]*)`", text
    )

    assert len(named) > 30
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_every_room_is_on_the_map_of_the_house() -> None:
    rows = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    packages = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("__init__.py")}
    rooms = packages - {path.parent for path in packages}

    assert [room for room in rooms if f"| `{room.as_posix()}/` |" not in rows] == []
