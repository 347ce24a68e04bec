"""The README tells the truth: every setting, route and dependency is in it, and its examples come out as printed."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import msgspec
import pytest

from handlers.routes import ROUTES
from handlers.settings import Settings
from local.app import PAGES
from tests.process import ROOT, SECONDS, running

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: str(field.encode_name))
def test_every_setting_is_in_the_table_with_its_default_and_meaning(field: msgspec.structs.FieldInfo) -> None:
    (meta,) = field.type.__metadata__

    default = "" if field.default == "" else f"`{field.default}`"
    assert f"| `{field.encode_name}` | {default} | {meta.description} |" in README


SHOWN = (*ROUTES, *(page for page in PAGES if "." not in page.path))


@pytest.mark.parametrize("route", SHOWN, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_in_the_table(route: "tuple[str, str, object]") -> None:
    path, method, *_ = route

    assert re.search(rf"^\|[^|]*`{method} {path}`", README, re.MULTILINE)


def test_every_status_that_is_raised_is_in_the_table() -> None:
    code = "".join(path.read_text() for path in (ROOT / "handlers").glob("*.py"))
    raised = set(re.findall(r"(?:RequestError|error_response|fault_response)\(\s*([1-5][0-9]{2})\b", code))

    assert raised >= {"404", "405", "406", "409", "413", "415", "422", "500", "503"}
    for status in raised:
        assert re.search(rf"^\| [^|]*\b{status}\b[^|]* \|", README, re.MULTILINE), status


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    dev = [requirement for requirement in groups["dev"] if isinstance(requirement, str)]
    optional = [groups[name] for name in ("functions", "agent", "parquet", "client", "deploy")]
    wanted = [*project["project"]["dependencies"], *dev, *(each for group in optional for each in group)]

    tables = README.split("## Dependencies")[1].split("\n## ")[0]
    for requirement in wanted:
        name = re.split(r"[\[<>=]", requirement)[0]
        assert re.search(rf"^\|[^|]*\b{re.escape(name)}\b[^|]*\|", tables, re.MULTILINE), name


LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock: str) -> None:
    entries = re.split(r"^(?=\S+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)

    assert len(entries) > 1
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())
    assert "://" not in (ROOT / lock).read_text()


def test_a_package_has_the_same_version_in_every_lock() -> None:
    pinned = [
        dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock.read_text(), re.MULTILINE))
        for lock in {ROOT / name for name in LOCKS}
        - {ROOT / f"requirements-{alone}.lock" for alone in ("deploy", "client")}
    ]
    whole = next(versions for versions in pinned if "pytest" in versions)

    assert len(pinned) == len(LOCKS) - 2 == 5
    assert all(whole.items() >= {k: v for k, v in versions.items() if k in whole}.items() for versions in pinned)
    assert sum("msgspec" in versions for versions in pinned) == 4


def test_the_speed_section_has_its_numbers() -> None:
    section = README.split("## Speed and memory")[1].split("\n## ")[0]

    assert len(re.findall(r"^\|.*(?:reached|not reached).*\|$", section, re.MULTILINE)) >= 8


def test_every_file_and_target_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for name in re.findall(r"`((?:handlers|storage|local|tests)/[a-z_/0-9.]*)`", README):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"^make ([a-z_]+)|`make ([a-z_]+)", README, re.MULTILINE):
        assert f"\n{''.join(target)}:" in makefile, target


def test_the_curl_examples_in_their_order_answer_what_is_printed(tmp_path: Path) -> None:
    session = "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL))
    # A command goes on while its line ends with a backslash.
    examples = re.findall(r"^\$ (curl (?:.*\\\n)*.*)\n(.*)$", session, re.MULTILINE)
    (tmp_path / "local").symlink_to(ROOT / "local")

    with running(tmp_path) as server:
        for command, printed in examples:
            here = command.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
            answered = subprocess.run(
                shlex.split(here), cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=True
            )
            assert answered.stdout == printed, command

    assert len(examples) == session.count("$ curl") == 14


def test_no_other_example_posts_the_sample_before_these() -> None:
    # Followed from the top, one that did would change the sums that are printed below it.
    before = README[: README.rindex("```console")]

    assert not re.search(r"```sh\n[^`]*(?:test_data1\.json|submit_flow_data)", before)


def test_the_units_commands_are_those_of_the_service() -> None:
    assert "ExecStart=/opt/flows/.venv/bin/python -m local" in README
    assert 'CMD ["python", "-m", "local"]' in README
    copied = set(re.findall(r"^COPY ([a-z]+) ", README, re.MULTILINE))
    assert copied == {"handlers", "storage", "local"}
