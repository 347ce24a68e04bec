"""python -m local.stop: end the server that the PID file names, and wait until it has ended."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

from handlers.settings import SettingsError, read_settings
from local import pid_file

_GRACE_SECONDS = 10
_STEP_SECONDS = 0.05


def stop(path: Path, shutdown_seconds: int) -> str:
    """Send SIGTERM to the process that holds the PID file, wait for its end, and say what happened.

    Raises TimeoutError when it has not ended ``_GRACE_SECONDS`` after it should have, PermissionError, and PidFileError
    when the file does not name a server of ours.
    """
    pid = pid_file.running(path)
    if pid is None:
        return f"No server runs here: nothing holds {path}"
    try:
        _terminate(path, pid)
    except PermissionError:
        raise PermissionError(f"Process {pid}, which {path} names, is another user's") from None
    deadline = time.monotonic() + shutdown_seconds + _GRACE_SECONDS
    while pid_file.running(path) == pid:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Process {pid} has not ended; it still holds {path}")
        time.sleep(_STEP_SECONDS)
    return f"Stopped the server, process {pid}"


def _terminate(path: Path, pid: int) -> None:
    """Send SIGTERM to the process that holds the file, and to no later process of the same number."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError) as error:
        # Only Linux has it, from 5.3 on.
        if getattr(error, "errno", errno.ENOSYS) != errno.ENOSYS:
            raise
        os.kill(pid, signal.SIGTERM)
        return
    try:
        if pid_file.running(path) == pid:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def main() -> None:
    """Stop the server that PID_FILE names."""
    try:
        settings = read_settings(os.environ)
        print(stop(Path(settings.pid_file), settings.shutdown_seconds) + ".")
    except (SettingsError, OSError, pid_file.PidFileError) as error:
        sys.exit(f"{error}.")


if __name__ == "__main__":
    main()
