"""The check of a function's bundle finds what is wrong with one."""

from pathlib import Path

import pytest

import tests.bundle
from tests.bundle import HOLDS, faults

ELF = b"\x7fELF" + bytes(14)
AARCH64 = ELF + b"\xb7\x00"
X86_64 = ELF + b"\x3e\x00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle without fault, of empty packages."""
    for name in HOLDS:
        (tmp_path / name).mkdir()
    for name in ("_core.cpython-313-aarch64-linux-gnu.so", "libpq.so.5", "plain.so"):
        (tmp_path / "psycopg_binary" / name).write_bytes(AARCH64)
    return tmp_path


def test_a_bundle_that_holds_what_it_should_has_no_fault(folder: Path) -> None:
    assert list(faults(folder)) == []


def test_what_is_missing_and_what_does_not_belong_is_named(folder: Path) -> None:
    (folder / "handlers").rmdir()
    (folder / "falcon").mkdir()

    assert list(faults(folder)) == ["handlers is missing", "falcon does not belong there"]


def test_a_library_for_another_machine_is_named(folder: Path) -> None:
    (folder / "a.so").write_bytes(X86_64)
    (folder / "b.cpython-311-aarch64-linux-gnu.so").write_bytes(AARCH64)

    assert sorted(faults(folder)) == [
        "a.so is for another processor",
        "b.cpython-311-aarch64-linux-gnu.so is for another Python",
    ]


def test_a_bundle_that_is_too_large_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.bundle, "MAX_BUNDLE_MB", 1)
    (folder / "storage" / "large").write_bytes(bytes(2_000_000))

    assert list(faults(folder)) == ["it takes 2.0 MB, and may take 1"]
