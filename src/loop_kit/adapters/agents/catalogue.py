"""The supported agent programs: their versions, flags, keys and installation, in one table.

`checked` is the version that the flags were checked with and that `install` fetches; `oldest` is
the oldest one that a loop was tried with. Each key is listed with the name of its setting.
"""

from collections.abc import Mapping
from types import MappingProxyType

from loop_kit.core.agent.checkup import Version, version_text
from loop_kit.frozen import frozen


@frozen
class OwnFolder:
    """A folder in which a program keeps its login and its conversations.

    Attributes:
        variable: Names the folder, or the one that it is in.
        default: Where that is below the user's home.
        inside: The program's own folder in it, '' if it is that.
        login: The file with the login, in the program's own folder.
        settings: Files there that a person writes.
        shared: Folders there that a person fills.
    """

    variable: str
    default: str
    inside: str
    login: str
    settings: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@frozen
class KnownProgram:
    """The facts about one backend's program, before anything is run.

    Attributes:
        keys: Each variable with a key, and the setting it comes from ('' if no setting has it).
        homes: Variables with the folders of its settings, logins and sessions.
        folders: Those of its homes in which it keeps a login and conversations.
        caches: Variables with the folders of what it can fetch again.
        log_in: The command to log in without a key.
        login_status: The command to see whether it is logged in.
    """

    name: str
    package: str
    oldest: Version
    checked: Version
    help_args: tuple[str, ...]
    flags: tuple[str, ...]
    keys: Mapping[str, str]
    homes: tuple[str, ...]
    folders: tuple[OwnFolder, ...]
    caches: tuple[str, ...]
    log_in: str
    login_status: str
    extra: Mapping[str, str]

    @property
    def install(self) -> str:
        """The command that installs the version that the flags were checked with."""
        return f"npm install --global {self.package}@{version_text(self.checked)}"


_CODEX = KnownProgram(
    name="codex",
    package="@openai/codex",
    oldest=(0, 169, 0),
    checked=(0, 169, 0),
    help_args=("exec", "--help"),
    flags=(
        *("--json", "--color", "--dangerously-bypass-approvals-and-sandbox", "-c", "--disable"),
        *("--skip-git-repo-check", "-C", "-m", "--output-schema", "-o", "resume"),
    ),
    keys=MappingProxyType({"CODEX_API_KEY": "openai_api_key", "CODEX_ACCESS_TOKEN": ""}),
    homes=("CODEX_HOME",),
    folders=(
        OwnFolder(
            *("CODEX_HOME", ".codex", "", "auth.json"),
            settings=("config.toml", "AGENTS.md"),
            shared=("prompts", "rules", "skills"),
        ),
    ),
    caches=(),
    log_in="codex login",
    login_status="codex login status",
    extra=MappingProxyType({}),
)
_CLAUDE = KnownProgram(
    name="claude",
    package="@anthropic-ai/claude-code",
    oldest=(2, 1, 197),
    checked=(2, 1, 330),
    help_args=("--help",),
    flags=(
        *("-p", "--output-format", "--verbose", "--dangerously-skip-permissions", "--model"),
        *("--strict-mcp-config", "--setting-sources", "--add-dir", "--session-id", "--resume"),
        *("--json-schema", "--max-budget-usd"),
    ),
    keys=MappingProxyType(
        {
            "ANTHROPIC_API_KEY": "anthropic_api_key",
            "CLAUDE_CODE_OAUTH_TOKEN": "claude_code_oauth_token",
            "ANTHROPIC_AUTH_TOKEN": "",
            "CLAUDE_CODE_USE_BEDROCK": "",
            "CLAUDE_CODE_USE_VERTEX": "",
            "CLAUDE_CODE_USE_FOUNDRY": "",
        }
    ),
    homes=("CLAUDE_CONFIG_DIR",),
    folders=(
        OwnFolder(
            *("CLAUDE_CONFIG_DIR", ".claude", "", ".credentials.json"),
            settings=("settings.json", "CLAUDE.md"),
            shared=("agents", "commands", "plugins", "skills"),
        ),
    ),
    caches=(),
    log_in="claude auth login",
    login_status="claude auth status",
    extra=MappingProxyType(
        {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    ),
)
_OPENCODE = KnownProgram(
    name="opencode",
    package="opencode-ai",
    oldest=(1, 18, 33),
    checked=(1, 18, 33),
    help_args=("run", "--help"),
    flags=("--format", "--auto", "--dir", "--title", "--session", "-m"),
    keys=MappingProxyType({}),
    homes=("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"),
    folders=(OwnFolder("XDG_DATA_HOME", ".local/share", "opencode", "auth.json"),),
    caches=("XDG_CACHE_HOME",),
    log_in="opencode auth login",
    login_status="opencode auth list",
    extra=MappingProxyType(
        {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
        }
    ),
)

KNOWN: Mapping[str, KnownProgram] = MappingProxyType(
    {program.name: program for program in (_CODEX, _CLAUDE, _OPENCODE)}
)


def explain_missing(backend: str, program: str) -> str:
    """That the program of a backend is not there, and what puts it there."""
    command = f" (`{KNOWN[backend].install}`)" if backend in KNOWN else ""
    return (
        f"Cannot find executable for backend={backend}. Install {program}{command} and put it on"
        " PATH, or choose another backend: `loop doctor` says which can run here."
    )
