"""Commands as agents write them, and what they are taken for."""

from __future__ import annotations

import random

import pytest

from loop_kit.core.agent.category import CATEGORIES
from loop_kit.core.agent.shell import MAX_COMMAND, category, displayed_files, unwrap

CODEX_HEREDOC = (
    "/bin/bash -lc 'mkdir -p \"$(dirname '\"'/repo/greeting.txt')\\\" && cat > '/repo/greeting.txt'"
    " <<'SCRIPTED_EOF'\nrm -rf it's \\\"mine\\\"\npytest\nSCRIPTED_EOF\""
)
"""How codex writes a command with both kinds of quotes: each part in the quotes that suit it."""

COMMIT_WITH_HEREDOC = """\
git commit -m "$(cat <<'EOF'
Don't run pytest (it isn't :) here
rm -rf build
EOF
)" """


@pytest.mark.parametrize(
    ("command", "plain"),
    [
        ("npm test", "npm test"),
        ("bash -lc 'npm test'", "npm test"),
        ("/bin/bash -lc \"git commit -m 'x y'\"", "git commit -m 'x y'"),
        ("/usr/bin/zsh -lc pytest", "pytest"),
        ("sh -c 'echo a | wc'", "echo a | wc"),
        ("bash -euo pipefail -c 'make check'", "make check"),
        ("bash -l -c 'make check' name", "make check"),
        ("bash -lc \"bash -c 'pytest -q'\"", "pytest -q"),
        ("env A=b C='d e' pytest -k 'x y' | tail", "pytest -k 'x y' | tail"),
        ("bash -lc 'cd /repo && cd sub && cat f'", "cat f"),
        ("cd 'my repo' && pytest", "pytest"),
        ("cd C:\\repo; Get-Content f", "Get-Content f"),
        ('powershell -NoProfile -Command "Get-Content src\\a.py"', "Get-Content src\\a.py"),
        ("powershell.exe -NoProfile -Command Get-Content 'a b.py'", "Get-Content 'a b.py'"),
        (
            "\"C:\\\\Program Files\\\\PowerShell\\\\7\\\\pwsh.exe\" -NoProfile -Command 'ls'",
            "ls",
        ),
        ("C:\\WINDOWS\\System32\\PowerShell.EXE -ExecutionPolicy Bypass -c ls", "ls"),
        ("pwsh -c 'npm test'", "npm test"),
        (
            "pwsh -Command '[Console]::OutputEncoding=[System.Text.Encoding]::UTF8;\nls'",
            "ls",
        ),
        ("cmd /c dir /b", "dir /b"),
        ('cmd.exe /d /s /c "npm test"', "npm test"),
        (["bash", "-lc", 'echo "it\'s" && ls'], 'echo "it\'s" && ls'),
        (("npm", "run", "test all"), "npm run 'test all'"),
        (["env", "A=b", "pytest"], "pytest"),
    ],
)
def test_a_command_is_shown_without_what_wraps_it(command: object, plain: str) -> None:
    assert unwrap(command) == plain


@pytest.mark.parametrize(
    "command",
    [
        "bash script.sh -c",
        "bash -lc 'pytest' | tail",
        "bash -lc ''",
        "cd /repo",
        "cd /repo || exit",
        "env",
        "env A=b",
        "env | sort",
        "powershell -File x.ps1",
        "cmd",
        "echo bash -lc ls",
        "CI=1 npm test",
    ],
)
def test_what_wraps_no_command_stays(command: str) -> None:
    assert unwrap(command) == command


def test_the_unwrapped_command_of_codex_is_the_one_the_model_wrote() -> None:
    assert unwrap(CODEX_HEREDOC) == (
        "mkdir -p \"$(dirname '/repo/greeting.txt')\" && cat > '/repo/greeting.txt'"
        " <<'SCRIPTED_EOF'\nrm -rf it's \"mine\"\npytest\nSCRIPTED_EOF"
    )


@pytest.mark.parametrize("command", [None, 7, {"a": "b"}, ["ls", 7], [["ls"]], b"ls", True, []])
def test_what_is_no_command_is_empty(command: object) -> None:
    assert unwrap(command) == ""


@pytest.mark.parametrize(
    ("command", "plain"),
    [
        ("bash -lc 'echo it", "echo it"),
        ('bash -lc "echo $(cat', "echo $(cat"),
        ("bash -lc 'a'b'", "ab"),
        ("'", "'"),
        ("\\", "\\"),
        ("cat <<", "cat <<"),
    ],
)
def test_unbalanced_quotes_end_with_the_text(command: str, plain: str) -> None:
    assert unwrap(command) == plain


def test_only_the_beginning_of_a_long_command_is_looked_at() -> None:
    late = f"echo {'x' * MAX_COMMAND}; pytest"

    assert len(unwrap(late)) == MAX_COMMAND
    assert category(late) == "unknown"
    assert len(unwrap(["bash", "-lc", "x" * 10**6])) < MAX_COMMAND
    assert len(unwrap(["xy"] * 10**6)) <= MAX_COMMAND


@pytest.mark.parametrize(
    "command",
    [
        *("pytest", ".venv/bin/pytest -q tests", "python -m pytest", "python3.12 -m unittest -v"),
        *("py -m pytest", "coverage run -m pytest", "tox -e py311"),
        *("nox", "npm test", "npm t", "npm run test:unit -- --ci", "npm --prefix web test"),
        *("pnpm test", "pnpm --filter api test", "yarn test", "yarn jest", "yarn run tests"),
        *("npm run-script test", "bun test", "go test ./...", "go -C tools test", "cargo test"),
        *("cargo +nightly nextest run", "make test", "make -C sub check", "make -j 4 test-unit"),
        *("jest", "npx --yes jest", "node_modules/.bin/vitest run", "mvn -q test", "mvn verify"),
        *("./gradlew :app:testDebugUnitTest", "gradle test", "ctest --output-on-failure"),
        *("bundle exec rspec", "vendor/bin/phpunit", "dotnet test", "uv run pytest -x"),
        *(
            "uv run --with x pytest",
            "uv run python -m pytest",
            "uv run -m pytest",
            "poetry run tox",
        ),
        *(
            "poetry run tox",
            "node --test",
            "python manage.py test",
            "./manage.py test app",
            "swift test",
        ),
        *("CI=1 A='b c' pytest", "timeout -k 5 60 pytest", "time pytest", "sudo -u ci make check"),
        *("bash -lc 'pytest'", "bash -lc 'pytest -q' 2>&1 | tail -5", "pytest.exe"),
        *("if pytest; then echo ok; fi", "(cd sub && npm test)", "! pytest", "{ pytest; }"),
        "cmd /c npm test",
        'powershell -Command "cd web; npm test"',
        "env A=b bash -c 'npx vitest run'",
    ],
)
def test_these_are_tests(command: str) -> None:
    assert category(command) == "test"


@pytest.mark.parametrize(
    "command",
    [
        *("rg -n foo", "grep -rn 'a b' src", "git grep foo", "find . -name '*.py'", "fd foo"),
        *("ag foo", "ack foo", "Select-String -Path *.py foo"),
        *("git -C sub grep foo", "find . -exec cat {} +", "findstr /s foo *"),
        *("git ls-files | xargs grep foo", "rg foo | head -5", "/usr/bin/grep x f"),
    ],
)
def test_these_search(command: str) -> None:
    assert category(command) == "search"


@pytest.mark.parametrize(
    "command",
    [
        *("cat a", "head -5 a", "tail -f a", "less a", "more a", "nl -ba a", "sed -n 1,5p a"),
        *("bat a", "ls -la", "tree", "wc -l a", "file a", "stat a", "Get-Content a", "type a"),
        *("git show HEAD", "git diff", "git log -3", "git status --short", "git blame a"),
        *("git -c color.ui=false --no-pager diff", "git --git-dir .git log", "sed 's/a/b/' a"),
        *("cat a | grep x", "git diff | cat", "ls | head", "nl -ba a | sed -n '1,80p'"),
        *("cat a 2>/dev/null", "cat a 2>&1", "ls > /dev/null", "Get-Content a 2> $null"),
        *("for f in a b; do cat $f; done", "cat < a", "while read f; do cat $f; done"),
        *("cat a\n# it's > b", "cat 'a > b'", 'cat "a; pytest"', "cat a\\;pytest"),
        *("bash -lc 'cat a; which apply_patch; exit 1'", "git status && git log | head -3 && pwd"),
    ],
)
def test_these_read(command: str) -> None:
    assert category(command) == "read"


@pytest.mark.parametrize(
    "command",
    [
        *("apply_patch x", "sed -i s/a/b/ f", "sed -Ei.bak s/a/b/ f", "sed --in-place=.b x f"),
        *("perl -pi -e 's/a/b/' f", "echo x | tee f", "echo x > f", "cat a >> b", "mv a b"),
        *("cp a b", "rm -rf a", "mkdir -p a", "touch a", "git apply x", "git commit -m 'x'"),
        *("git add -A", "git mv a b", "git rm a", "git checkout -- a", "patch -p1 < x.patch"),
        *("Set-Content f x", "New-Item f", "'x' | Set-Content f", "rg -l a | xargs sed -i s/a/b/"),
        *("find . -name x -delete", "find . -exec rm {} ;", "python x.py 2> f", "make &> f"),
        *("echo a>f", "echo x >| f", "> f", "cat a && rm b", "grep x f; touch y", "echo x >&f"),
        "cat > f <<'EOF'\npytest\nEOF",
        "cat <<EOF > f\nit's (here\nEOF",
        "cat <<-EOF | tee f\n\tpytest\n\tEOF\nls",
        "apply_patch <<'EOF'\n*** Begin Patch\npytest\nEOF",
        CODEX_HEREDOC,
        COMMIT_WITH_HEREDOC,
        "(Get-Content f) -replace 'a','b' | Set-Content f",
    ],
)
def test_these_edit(command: str) -> None:
    assert category(command) == "edit"


@pytest.mark.parametrize(
    "command",
    [
        *("", "   ", "echo hi", "pwd", "ruff check .", "mypy", "npm install jest", "npm run build"),
        *("pip install pytest", "which pytest", "command -v pytest", "test -f x", "make", "go vet"),
        *("git checkout main", "git push", "git", "cargo build", "python x.py", "mvn package"),
        *("echo hi | cat", "python x.py | grep y", "python -m http.server", "'pytest -q'"),
        *("echo 'a > b'", "x 2>&1", "x >&2", "x > NUL", "# pytest", "A=pytest", "&& || ;", "bash"),
        "python - <<'EOF'\nimport pytest\npytest\nEOF",
        "cat <<EOF\npytest\nEOF",
        "python3 -c \"print('pytest')\nprint(1 << n)\"",
    ],
)
def test_these_are_not_known(command: str) -> None:
    assert category(command) == "unknown"


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("cat a && rg b", "search"),
        ("rg a; touch b", "edit"),
        ("touch a\npytest", "test"),
        ("pytest > log", "test"),
        ("ls || pytest || true", "test"),
        ("cat f <<'EOF'\nbody\nEOF\npytest", "test"),
        ("cat a |\n  grep b", "read"),
        ("rg '>' f", "search"),
        ("rg foo | cat > g", "edit"),
        ("x $(cat <<<'a' ; echo \")\" ) && rg y", "search"),
        ("ls \\\n  -la", "read"),
        ("rg a\r\nls\r\n", "search"),
    ],
)
def test_the_strongest_of_several_commands_counts(command: str, kind: str) -> None:
    assert category(command) == kind


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("cat a b", ("a", "b")),
        ("bash -lc \"sed -n '1,80p' src/a.py\"", ("src/a.py",)),
        ("sed -n -e 1p a", ("a",)),
        ("head -n 5 f", ("f",)),
        ("head -20 f", ("f",)),
        ("tail -n +5 f", ("f",)),
        ("tail +5 f", ("f",)),
        ("nl -ba f | sed -n '1,5p'", ("f",)),
        ("bat -r 1:5 --style=plain f", ("f",)),
        ("cat 'a b.py' | head -5 | wc -l", ("a b.py",)),
        ("cd sub && cat a && echo --- && cat b a", ("a", "b")),
        ("cat a 2>/dev/null", ("a",)),
        ("cat -- a", ("a",)),
        ("cat 'C:\\x\\a.py' D:\\y\\b.py", ("C:\\x\\a.py", "D:\\y\\b.py")),
        ("Get-Content a.py | Select-Object -First 5", ("a.py",)),
        ("powershell -NoProfile -Command \"Get-Content -Raw -Path 'a b.py'\"", ("a b.py",)),
        ("gc -TotalCount 5 -LiteralPath a.py, b.py -Raw", ("a.py", "b.py")),
    ],
)
def test_the_files_that_a_command_shows(command: str, files: tuple[str, ...]) -> None:
    assert displayed_files(command) == files


@pytest.mark.parametrize(
    "command",
    [
        *("", "ls", "echo hi", "cat", "cat | head", "cat a > b", "cat a && rm b", "cat a | tee b"),
        *("sed -i s/a/b/ f", "cat a | sed -i x b", "cat a | xargs rm", "cat $(git ls-files)"),
        *("cat `ls`", "cat a; pytest", "rg x f", "git show HEAD:a", "sed -n 1p", "head -n 5"),
        *("cat < a", "cat <<EOF\na\nEOF", "ls | cat a", "cat a | python -"),
    ],
)
def test_a_command_that_does_not_only_show_files_shows_none(command: str) -> None:
    assert displayed_files(command) == ()


def test_no_text_makes_the_reader_fail() -> None:
    chosen = random.Random(7)
    parts = [
        *"'\"`\\\n()|;<>$#{2x\x00\ud800é",
        *("$(", "<<A", "A", " ", "&&", "<<<", "<<'E'", "cat", "rm", "sed ", "-e", "-c", "env "),
        *("bash -c ", "find -exec ", "timeout ", "cmd /c ", "python -m "),
    ]
    for _ in range(3000):
        text = "".join(chosen.choice(parts) for _ in range(chosen.randrange(40)))
        assert category(unwrap(text)) in CATEGORIES
        assert isinstance(displayed_files(text), tuple)


@pytest.mark.parametrize(
    "part", ["$(", '"$(', "`", "<<A\n", "time ", "env a=b ", "cd a && ", "a|", "find -exec ", ">"]
)
def test_deep_nesting_and_endless_repetition_are_read_to_their_end(part: str) -> None:
    assert category(part * 5000) in CATEGORIES
    assert unwrap(part * 5000) == unwrap((part * 5000)[:MAX_COMMAND])
