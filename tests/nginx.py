"""A real nginx in front of a server, configured by the README's own block."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process import ROOT, SECONDS

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""
MISSING = "there is no nginx; on Debian and Ubuntu: apt-get install nginx-light"
HOST = "flows.example.net"

_MAIN = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    log_format seen '$request_method "$request_uri" $status upstream=$upstream_status';
    access_log {folder}/seen.log seen;
    # What nginx takes for the beginning of more than was sent.
    client_header_timeout 10s;
    client_body_timeout 10s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{block}
}}
"""


def configuration(folder: Path, port: int, upstream: int) -> str:
    """Put the README's block into a configuration for one test: other ports, and no TLS."""
    (block,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    block = re.sub(r" *ssl_certificate.*\n", "", block)
    changed = block.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    changed = changed.replace("server 127.0.0.1:8080;", f"server 127.0.0.1:{upstream};")
    assert changed.count(str(port)) >= 1
    assert changed.count(str(upstream)) >= 1
    user = "user root;" if os.geteuid() == 0 else ""
    return _MAIN.format(folder=folder, user=user, block=changed)


class Nginx:
    """A running nginx, and what it has seen."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, port: int) -> None:
        self.process = process
        self.port = port
        self._folder = folder

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS, source_address=(source, 0))

    def end(self) -> None:
        """Have it answer what it has, and write its log."""
        self.process.terminate()
        self.process.wait(SECONDS)

    def passed_on(self) -> list[str]:
        """Return the method and the status of each request that the server behind has answered."""
        lines = (self._folder / "seen.log").read_text().splitlines()
        found = [re.fullmatch(r'(\S+) "(.*)" ([0-9]{3}) upstream=(.*)', line) for line in lines]
        return [f"{each[1]} {each[4]}" for each in found if each and each[4].isdigit()]


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[Nginx]:
    """Start nginx on a free port, in front of the server at ``upstream``, and end it afterwards."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(configuration(folder, port, upstream))
        command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if _listens(process, port):
                yield Nginx(process, folder, port)
                return
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(SECONDS)
    raise AssertionError((folder / "error.log").read_text())


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until nginx listens, or has ended, as where another process took the port."""
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return True
    return False
