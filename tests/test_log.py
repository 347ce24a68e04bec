"""The rotating log."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import log
from local.log import GatheringFileHandler


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[GatheringFileHandler]:
    opened = GatheringFileHandler(str(tmp_path / "server.log"))
    yield opened
    opened.close()


def emit(handler: GatheringFileHandler, level: int, message: str) -> None:
    handler.handle(logging.LogRecord("test", level, "", 0, message, None, None))


def test_lines_are_gathered_and_written_in_their_order(handler: GatheringFileHandler, tmp_path: Path) -> None:
    for number in range(3):
        emit(handler, logging.INFO, f"line {number}")

    handler.flush()

    assert (tmp_path / "server.log").read_text() == "line 0\nline 1\nline 2\n"


def test_a_warning_is_written_at_once_with_what_came_before(handler: GatheringFileHandler, tmp_path: Path) -> None:
    emit(handler, logging.INFO, "before")
    emit(handler, logging.WARNING, "trouble")

    assert (tmp_path / "server.log").read_text() == "before\ntrouble\n"


def test_lines_are_written_on_time_without_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FLUSH_SECONDS", 0.001)
    handler = GatheringFileHandler(str(tmp_path / "server.log"))

    emit(handler, logging.INFO, "a line")
    while not (tmp_path / "server.log").read_text():
        pass

    assert (tmp_path / "server.log").read_text() == "a line\n"
    handler.close()


def test_a_log_that_cannot_be_written_fails_no_request_and_keeps_no_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "FLUSH_SECONDS", 0.001)
    handler = GatheringFileHandler("/dev/full")

    emit(handler, logging.WARNING, "lost")
    emit(handler, logging.INFO, "lost too")
    while "Lines of the log are lost: No space left on device" not in capsys.readouterr().err:
        emit(handler, logging.INFO, "lost too")

    handler._ended.set()
    with contextlib.suppress(OSError):
        logging.FileHandler.close(handler)


def test_closing_writes_what_is_left(handler: GatheringFileHandler, tmp_path: Path) -> None:
    emit(handler, logging.INFO, "the last")

    handler.close()

    assert (tmp_path / "server.log").read_text() == "the last\n"


def test_a_full_file_is_rotated_and_the_oldest_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 100)
    handler = GatheringFileHandler(str(tmp_path / "server.log"))

    for number in range(20):
        emit(handler, logging.WARNING, f"{number:02}" * 60)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log"] + [f"server.log.{n}" for n in range(1, 6)]
    assert (tmp_path / "server.log.1").read_text().startswith("19")
    handler.close()


def test_where_a_full_file_cannot_be_rotated_the_log_goes_on_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 100)
    handler = GatheringFileHandler(str(tmp_path / "server.log"))

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may rename whatever the folder's mode is.
    monkeypatch.setattr(handler, "rotate", refused)
    for number in range(20):
        emit(handler, logging.WARNING, f"{number:02}" * 60)
    handler.close()

    assert len((tmp_path / "server.log").read_text().splitlines()) == 20
    assert "The log cannot be rotated, and goes on: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("formatter", [log.LineFormatter(), log.JsonFormatter()], ids=["text", "json"])
def test_no_message_can_forge_a_line(formatter: logging.Formatter) -> None:
    forged = "serving /\n2026-11-24T00:00:00.000Z INFO access POST\x1b[31m\x85\u2028/flows"

    line = formatter.format(logging.LogRecord("waitress", logging.INFO, "", 0, forged, None, None))

    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert "serving /\\n2026" in line.replace("\\\\", "\\")
