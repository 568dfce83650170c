"""What a program can see and reach in a room, on every rung that this machine offers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from tests.adapters.process.test_namespace import marked
from tests.support.unix_sockets import bound

from loop_kit.adapters.files.owned_folder import PREFIX
from loop_kit.adapters.process import process
from loop_kit.adapters.process.namespace import Bare
from loop_kit.adapters.process.room.box import find_sudo
from loop_kit.adapters.process.room.mounts import OF_A_HOME
from loop_kit.adapters.process.room.plan import RoomPlan
from loop_kit.adapters.process.room.rungs import Rung, box_of, candidates, choose, orchestrator
from loop_kit.adapters.process.room.selftest import Promises

RUNGS = [*candidates(in_job=True), *([Rung.USER] if os.geteuid() == 0 else [])]
NAMESPACES = [rung for rung in RUNGS if rung is not Rung.LANDLOCK]


class Output(process.Listener):
    """Keeps what is printed."""

    def __init__(self) -> None:
        self.text = ""

    def line(self, source: process.Source, line: bytes) -> None:
        self.text += f"{line.decode()}\n"


class Place:
    """A workspace and a home on the disk, and a way to run a shell command in a room."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.home = folder / "workspace", folder / "home"
        self.outside, self.secret = folder / "outside", folder / "secret"
        for path in (self.workspace, self.home / ".config" / "gh", self.outside):
            path.mkdir(parents=True)
        (self.home / ".gitconfig").write_text("[alias]\n\tx = !true\n")
        (self.home / ".config" / "gh" / "hosts.yml").write_text("oauth_token: secret\n")
        self.secret.write_text("secret\n")
        self.folder = folder

    def plan(self, **changes: object) -> RoomPlan:
        plan = RoomPlan(
            writable=(str(self.workspace),),
            shown=(sys.prefix, sys.base_prefix, str(Path(process.__file__).parents[3])),
            layered=(str(self.home),),
            hidden=(str(self.secret),),
            disk=str(self.folder),
        )
        return plan.changed(**changes)

    def sh(
        self, rung: Rung, command: str, timeout: float = 60, **changes: object
    ) -> tuple[int, str]:
        box = box_of(rung, self.plan(**changes))
        return self.run(box, ["/bin/sh", "-c", command], timeout)

    def run(self, box: Bare, argv: Sequence[str], timeout: float = 60) -> tuple[int, str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        output = Output()
        ended = process.stream(
            argv,
            cwd=self.workspace,
            env=environment,
            stdin=b"",
            listener=output,
            timeout=timeout,
            box=box,
        )
        return ended.exit_code, output.text


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(params=RUNGS, ids=str)
def rung(request: pytest.FixtureRequest) -> Rung:
    return Rung(request.param)


def test_a_change_in_the_workspace_is_real(place: Place, rung: Rung) -> None:
    assert place.sh(rung, "echo done > result")[0] == 0
    assert (place.workspace / "result").read_text() == "done\n"


def test_what_a_program_writes_into_its_home_is_thrown_away(place: Place, rung: Rung) -> None:
    code, printed = place.sh(rung, "echo x > ~/planted && cat ~/planted")
    assert (code, printed) == (0, "x\n")
    assert not (place.home / "planted").exists()


def test_the_exit_code_is_that_of_the_program(place: Place, rung: Rung) -> None:
    assert [place.sh(rung, command)[0] for command in ("exit 7", "kill -9 $$")] in (
        [7, 137],
        [7, -9],
    )


def test_credentials_in_a_home_and_what_is_hidden_cannot_be_read(place: Place, rung: Rung) -> None:
    secret = f"cat ~/.gitconfig {place.home}/.config/gh/hosts.yml {place.secret}"
    assert "secret" not in place.sh(rung, f"{secret} 2>/dev/null")[1]
    assert "alias" not in place.sh(rung, f"{secret} 2>/dev/null")[1]


def test_whatever_programs_keep_credentials_in_cannot_be_read(place: Place, rung: Rung) -> None:
    files = [place.home / name for name in OF_A_HOME]
    files = [path / "file" if path.is_dir() else path for path in files]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("_auth = s3cret\n")

    _, printed = place.sh(rung, f"cat {' '.join(map(str, files))} 2>/dev/null")

    assert "s3cret" not in printed
    assert all(path.read_text() == "_auth = s3cret\n" for path in files)


def test_nothing_outside_can_be_written(place: Place, rung: Rung) -> None:
    place.sh(rung, f"echo x > {place.outside}/x; echo x > /usr/local/bin/loop-kit-test")
    assert not (place.outside / "x").exists()
    assert not Path("/usr/local/bin/loop-kit-test").exists()


def test_no_environment_of_another_process_can_be_read(place: Place, rung: Rung) -> None:
    read = f"cat /proc/{os.getpid()}/environ /proc/{os.getppid()}/environ"
    assert place.sh(rung, f"{read} 2>/dev/null | wc -c")[1].strip() == "0"


SHARED = ("/tmp", "/var/tmp", "/run", "/dev/shm")


@pytest.mark.parametrize("rung", NAMESPACES, ids=str)
def test_folders_that_programs_share_are_fresh_and_the_user_is_the_same(
    place: Place, rung: Rung
) -> None:
    with ExitStack() as left:
        for folder in SHARED:
            if os.access(folder, os.W_OK):
                left.enter_context(NamedTemporaryFile(prefix="loop-kit-canary-", dir=folder))
        look = f"ls -d {' '.join(f'{folder}/loop-kit-canary-*' for folder in SHARED)} 2>/dev/null"
        write = "echo x > /tmp/x && echo x > /var/tmp/x && echo x > /dev/shm/x && cat /tmp/x; id -u"
        code, printed = place.sh(rung, f"{look}; {write}")

    assert (code, printed) == (0, f"x\n{os.geteuid()}\n")


@pytest.mark.parametrize("rung", NAMESPACES, ids=str)
def test_processes_shared_memory_and_mounts_are_the_rooms_own(place: Place, rung: Rung) -> None:
    kinds = ("mnt", "pid", "ipc", "net")
    read = " && ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)
    outside = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in kinds]
    for network, own in (("open", 3), ("none", 4)):
        inside = place.sh(rung, read, network=network)[1].split()
        same = [here == there for here, there in zip(inside, outside, strict=True)]
        assert same == [False] * own + [True] * (4 - own)


def test_sudo_is_tried_in_a_job_and_never_on_a_laptop() -> None:
    """As root nobody needs it; `test_as_an_ordinary_user` runs this again."""
    assert Rung.SUDO not in candidates(in_job=False)
    assert (Rung.SUDO in candidates(in_job=True)) is bool(os.geteuid() and find_sudo())


def test_without_a_network_only_the_rooms_own_programs_reach_each_other(
    place: Place, rung: Rung
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        connect = f'"{sys.executable}" -c "{code}"'
        assert place.sh(rung, f"{connect} 2>/dev/null")[0] == 0
        assert place.sh(rung, f"{connect} 2>/dev/null", network="none")[0] != 0


def test_a_program_can_open_a_terminal_and_the_usual_devices(place: Place, rung: Rung) -> None:
    opens = "import pty, os; os.write(pty.openpty()[0], b'x'); os.urandom(4)"
    code, printed = place.sh(rung, f'"{sys.executable}" -c "{opens}" && echo x > /dev/null')
    assert (code, printed) == (0, "")


def test_a_program_builds_tests_and_commits_with_git(place: Place, rung: Rung) -> None:
    commit = "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x"
    code, printed = place.sh(rung, f"git init -q . && {commit} && git log --oneline | wc -l")
    assert (code, printed.strip()) == (0, "1")


def test_every_rung_keeps_its_promises(place: Place, rung: Rung) -> None:
    promises = Promises(
        orchestrator=orchestrator(),
        unreadable=(str(place.secret),),
        unwritable=(str(place.home), str(place.outside), "/usr/local/bin"),
    )
    choice = choose([rung], place.plan, promises, place.run)
    assert (choice.rung, choice.refused) == (rung, ())


def test_a_rung_that_breaks_a_promise_is_not_taken_and_the_reason_is_given(place: Place) -> None:
    promises = Promises(orchestrator=orchestrator(), unwritable=(str(place.workspace),))
    choice = choose(RUNGS[:1], place.plan, promises, place.run)
    assert choice.rung is Rung.NONE
    assert choice.refused == (f"{RUNGS[0]}: {place.workspace} can be written",)
    assert list(place.workspace.iterdir()) == []


def test_a_room_that_keeps_nothing_is_refused_with_every_reason(place: Place) -> None:
    path = str(place.folder / "socket")
    with bound(Path(path)) as server:
        server.listen()
        promises = Promises(
            orchestrator=orchestrator(),
            unreadable=(str(place.secret),),
            unwritable=(str(place.outside),),
            sockets=(path,),
        )
        temp = str(place.folder)
        plan = place.plan(network="none")
        choice = choose([Rung.NONE], lambda: plan, promises, place.run, temp)

    (refused,) = choice.refused
    for reason in (
        "the environment of loop-kit can be read",
        f"{place.secret} can be read",
        "/canary can be read",
        f"{path} can be reached",
        "the network can be reached",
        f"{place.outside} can be written",
    ):
        assert reason in refused
    assert list(place.outside.iterdir()) == []


def test_a_program_has_no_right_that_its_user_has_not(place: Place, rung: Rung) -> None:
    _, printed = place.sh(
        rung, "grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Groups):' /proc/$$/status"
    )
    found = dict(line.split(":", 1) for line in printed.splitlines())
    rights = {name: int(value.strip() or "0", 16) for name, value in found.items() if "Cap" in name}

    assert (rights["CapPrm"], rights["CapEff"], rights["CapAmb"]) == (0, 0, 0)
    assert found["NoNewPrivs"].strip() == "1"
    if rung in {Rung.ROOT, Rung.SUDO}:
        assert rights["CapBnd"] == 0
        assert found["Groups"].strip() == ""


def test_no_program_reads_a_disk_or_sets_what_the_kernel_starts(place: Place, rung: Rung) -> None:
    disks = [f"/dev/{disk.name}" for disk in Path("/sys/class/block").iterdir()]
    read = f"cat {' '.join(disks)} /dev/kmsg 2>/dev/null | head -c 1 | wc -c"
    assert place.sh(rung, read)[1].strip() == "0"
    for path in ("sys/kernel/core_pattern", "sysrq-trigger", "sys/vm/drop_caches"):
        assert place.sh(rung, f"true 2>/dev/null >> /proc/{path}")[0] != 0


def test_a_program_is_asked_to_end_before_it_is_killed(place: Place, rung: Rung) -> None:
    command = "trap 'echo ending > result; exit 3' TERM; echo ready; sleep 300 & wait"
    began = time.monotonic()
    assert place.sh(rung, command, timeout=1)[0] == 3
    assert (place.workspace / "result").read_text() == "ending\n"
    assert time.monotonic() - began < 3


def test_a_program_that_does_not_end_is_killed_with_what_it_started(
    place: Place, rung: Rung
) -> None:
    stubborn = "trap '' TERM; (setsid sleep 300 &); while true; do sleep 1; done"
    place.sh(rung, stubborn, timeout=0.5)
    assert marked(place.workspace) == []


def test_nothing_of_a_room_is_left(
    place: Place, rung: Rung, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "outside"))
    place.sh(rung, "mkdir -p ~/a/b && chmod 0 ~/a && echo x > /tmp/x; true")
    assert list((tmp_path / "outside").iterdir()) == []
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


def test_a_program_may_make_a_file_where_a_credential_was(place: Place, rung: Rung) -> None:
    code, printed = place.sh(rung, "git config --global user.name x && git config user.name")
    assert (code, printed) == (0, "x\n")
    assert "alias" in (place.home / ".gitconfig").read_text()


RUN = """
import sys
from pathlib import Path
from tests.adapters.process.room.test_rooms import Place
from loop_kit.adapters.process.room.rungs import Rung
Place(Path(sys.argv[1])).sh(Rung(sys.argv[2]), "(setsid sleep 300 &); touch started; sleep 300")
"""


@pytest.mark.parametrize("rung", NAMESPACES, ids=str)
def test_a_room_ends_with_us_even_by_sigkill(tmp_path: Path, rung: Rung) -> None:
    owner = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "place"), str(rung)])
    workspace = tmp_path / "place" / "workspace"
    end = time.monotonic() + 30
    while not (workspace / "started").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    while marked(workspace) or list(workspace.parent.glob(f"{PREFIX}*/*")):
        assert time.monotonic() < end
        time.sleep(0.05)


class Interrupting(process.Listener):
    """Is interrupted by the first line, as by ^C."""

    def line(self, source: process.Source, line: bytes) -> None:
        raise KeyboardInterrupt


def test_a_room_ends_when_its_caller_is_interrupted(place: Place, rung: Rung) -> None:
    command = "(setsid sleep 300 &); echo ready; sleep 300"
    with pytest.raises(KeyboardInterrupt):
        process.stream(
            ["/bin/sh", "-c", command],
            cwd=place.workspace,
            env={"PATH": os.environ["PATH"]},
            stdin=b"",
            listener=Interrupting(),
            box=box_of(rung, place.plan()),
        )
    assert marked(place.workspace) == []
    assert list(place.folder.glob(f"{PREFIX}*")) == []
