"""Tokens from the command that makes them to a server that wants them, and a server that has none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import SAMPLE, from_json, to_json
from tests.process import ROOT, SECONDS, Running, environment, run_module, running


def make_token(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local.token", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def token_and_entry(*words: str) -> list[str]:
    return [line.partition(": ")[2] for line in make_token(*words).stdout.splitlines()]


def test_a_token_that_was_made_lets_its_owner_in_and_nobody_else(tmp_path: Path) -> None:
    token, entry = token_and_entry("web-1", "write")
    (tmp_path / "tokens").write_text(f"# agents\n{entry}\n")

    with running(tmp_path, API_TOKENS_FILE="tokens") as server:
        assert server.post(SAMPLE)[0] == 401
        taken = server.ask("POST", "/flows", to_json(SAMPLE), Authorization=f"Bearer {token}")
        assert server.ask("GET", "/flows?hour=1", Authorization=f"Bearer {token}")[0] == 403
        assert server.ask("GET", "/metrics")[0] == 401
        server.terminate()

    assert taken[0] == 201
    log = (tmp_path / "server.log").read_text()
    assert "POST /flows 201" in log
    assert "caller=web-1" in log
    assert token not in log


def test_no_two_tokens_are_alike_and_the_entry_does_not_hold_the_token() -> None:
    first, second = token_and_entry("a", "read"), token_and_entry("a", "read")

    assert re.fullmatch(r"flows_[A-Za-z0-9_-]{43}", first[0])
    assert re.fullmatch(r"a:read:[0-9a-f]{64}", first[1])
    assert first[0] not in first[1]
    assert set(first).isdisjoint(second)


@pytest.mark.parametrize("words", [("a b", "read"), ("a:b", "read"), ("", "read"), ("a", "root"), ("a",)])
def test_a_name_or_role_that_is_none_is_refused_with_a_sentence(words: tuple[str, ...]) -> None:
    made = make_token(*words)

    assert made.returncode == 2
    assert made.stdout == ""
    assert "usage: make token NAME=web-1 ROLE=write, or python -m local.token NAME ROLE" in made.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_tokens_a_server_starts_on_no_address_that_others_reach(tmp_path: Path, host: str) -> None:
    ended = run_module("local", tmp_path, PORT="0", HOST=host)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"HOST {host} can be reached from elsewhere, and there is no token: set API_TOKENS")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"ALLOW_ANONYMOUS": "1"}, {"API_TOKENS": "a:read:" + "0" * 64}])
def test_with_tokens_or_for_everybody_it_does(tmp_path: Path, settings: dict[str, str]) -> None:
    command = [sys.executable, "-m", "local"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(PORT="0", HOST="0.0.0.0", **settings), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "listens on http://0.0.0.0:" in process.stdout.readline()
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_on_loopback_a_web_page_can_neither_post_nor_come_by_another_name(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        foreign = server.ask("POST", "/flows", to_json(SAMPLE), Origin="https://evil.example")
        rebound = server.ask("GET", "/flows?hour=2", Host=f"evil.example:{server.port}")
        own = server.ask("POST", "/flows", b"[]", Origin=f"http://127.0.0.1:{server.port}")

        assert (foreign[0], rebound[0], own[0]) == (403, 403, 201)
        assert from_json(server.ask("GET", "/flows?hour=2")[1])["total"] == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"API_TOKENS": "secret"}, "API_TOKENS is wrong: its entry 1 is not NAME:ROLE:SHA256"),
        ({"API_TOKENS_FILE": "nowhere"}, "API_TOKENS_FILE nowhere cannot be read: No such file"),
    ],
)
def test_tokens_that_are_wrong_stop_the_start(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    ended = run_module("local", tmp_path, PORT="0", **settings)

    assert ended.returncode == 1
    assert says in ended.stderr
    assert "secret" not in ended.stderr


def send(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local.agent", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_the_agent_sends_the_token_of_a_file(tmp_path: Path) -> None:
    token, entry = token_and_entry("web-1", "write")
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "flows.json").write_bytes(to_json(SAMPLE))

    with running(tmp_path, API_TOKENS=entry) as server:
        url = f"http://127.0.0.1:{server.port}"
        refused = send(tmp_path, "flows.json", "--url", url)
        sent = send(tmp_path, "flows.json", "--url", url, "--token-file", "token")

    assert (refused.returncode, sent.returncode) == (1, 0)
    assert "A token is needed" in refused.stderr
    assert send(tmp_path, "a", "--token-file", "nowhere").stderr == (
        "nowhere cannot be read: No such file or directory.\n"
    )


def test_make_sends_the_token_of_its_environment(tmp_path: Path) -> None:
    token, entry = token_and_entry("ops", "admin")

    def ask(server: Running, *words: str) -> str:
        settings = {"PATH": os.environ["PATH"], "PORT": str(server.port), "TOKEN": token}
        ended = subprocess.run(words, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)
        return ended.stdout.strip()

    with running(tmp_path, API_TOKENS=entry) as server:
        assert ask(server, "local/post_request.sh", "local/samples/test_data1.json") == '{"accepted":5,"flows":4}'
        assert '"total":2' in ask(server, "local/get_request.sh", "hour=2")
