"""python -m local: settings -> store -> app -> waitress, until a signal."""

import contextlib
import ctypes
import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import IO

from handlers.access import Access, read_access
from handlers.metrics import metrics
from handlers.settings import Settings, SettingsError, read_settings
from local import pid_file
from local.app import body_gate, create_app
from local.banner import ended, started
from local.log import start_log
from local.server import CONNECTIONS, CannotListen, Server, is_loopback, stop_on_signals
from local.store import LocalStore
from storage import CannotOpen, open_store

_M_MMAP_THRESHOLD = -3
OPEN_FILES = 4 * CONNECTIONS


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 0 when every received request was answered.

    Exits with a sentence when a setting is wrong, the port is taken or the database cannot be opened.
    """
    try:
        settings = read_settings(os.environ)
        access = _access(settings)
        start_log(settings.log_file, settings.log_level, settings.log_format)
        held = pid_file.hold(Path(settings.pid_file))
    except pid_file.AlreadyRunning as error:
        sys.exit(f"{error}; stop it with make stop_server.")
    except (SettingsError, pid_file.PidFileError) as error:
        sys.exit(f"{error}.")
    except OSError as error:
        sys.exit(f"{error.filename or 'PID_FILE'} cannot be written: {error.strerror}.")
    try:
        return _serve(settings, access, held)
    except (CannotOpen, CannotListen) as error:
        sys.exit(f"{error}.")
    finally:
        pid_file.release(Path(settings.pid_file), held)


def _serve(settings: Settings, access: Access, held: IO[str]) -> int:
    connections = min(CONNECTIONS, max(10, _allow_open_files(OPEN_FILES) // 2 - 100))
    _give_large_blocks_back()
    opened = open_store(settings.database_url, settings.citus_shards, settings.idempotency_hours)
    store = LocalStore(opened, metrics().count_commit)
    server = Server(create_app(store, settings, access), settings, connections, body_gate(settings, access))
    stop_on_signals(server)
    pid_file.name_address(held, server.url)
    log = logging.getLogger("local")
    log.info(started(settings, access, server.url, connections))
    print(f"Flow Aggregation Service listens on {server.url} (log: {settings.log_file}; stop: Ctrl-C)", flush=True)
    complete = server.run()
    said = ended(server.stopped_by, metrics().answered(), complete)
    log.info(said)
    # Not print: where nobody reads standard output any more, what it cannot write would fail the exit.
    with contextlib.suppress(OSError):
        os.write(1, f"Flow Aggregation Service {said}\n".encode())
    if not complete:
        return 1
    store.close()
    return 0


def _access(settings: Settings) -> Access:
    """Read who may come in; without tokens, that is who asks this machine by a local name.

    Raises SettingsError, also where others could ask too.
    """
    try:
        tokens = Path(settings.api_tokens_file).read_text(errors="replace") if settings.api_tokens_file else ""
    except OSError as error:
        raise SettingsError(f"API_TOKENS_FILE {error.filename} cannot be read: {error.strerror}") from error
    access = read_access(settings, tokens, time.monotonic)
    if access.tokens or access.anonymous == "yes":
        return access
    if not is_loopback(settings.host):
        raise SettingsError(
            f"HOST {settings.host} can be reached from elsewhere, and there is no token: set API_TOKENS "
            "(make token NAME=... ROLE=... makes one), or ALLOW_ANONYMOUS=1 to let everybody in"
        )
    return access._replace(anonymous="near")


def _allow_open_files(wanted: int) -> int:
    """Raise the soft limit, often 1,024, as far as the hard one lets us, and return it.

    A connection is a file, its body may be another, and a server that is out of them does nothing but complain.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return wanted


def _give_large_blocks_back() -> None:
    """Have glibc return every freed block of a megabyte to the system; elsewhere do nothing.

    Left alone it learns from the first 13 MB body to keep such blocks, in each thread's arena one: measured 320 MB
    at the peak, and 150 MB so. See mallopt(3), M_MMAP_THRESHOLD.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


if __name__ == "__main__":
    # The database, the log and what lies beside them are for this user alone.
    os.umask(0o077)
    sys.exit(main())
