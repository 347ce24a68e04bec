"""The settings table."""

import msgspec
import pytest

from handlers.settings import Settings, SettingsError, read_settings


def test_nothing_set_means_the_defaults_of_the_contract() -> None:
    settings = read_settings({"UNRELATED": "x"})

    assert msgspec.to_builtins(settings) == {
        "HOST": "127.0.0.1",
        "PORT": 8080,
        "DATABASE_URL": "sqlite:///flows.db",
        "CITUS_SHARDS": 8,
        "IDEMPOTENCY_HOURS": 24,
        "API_TOKENS": "",
        "API_TOKENS_FILE": "",
        "ALLOW_ANONYMOUS": 0,
        "ALLOWED_HOSTS": "",
        "RATE_LIMIT": 0,
        "RATE_BURST": 60,
        "TRUSTED_PROXIES": "",
        "KEEP_HOURS": 0,
        "THREADS": 32,
        "MAX_WAITING": 500,
        "REQUEST_TIMEOUT": 120,
        "MAX_BATCH_FLOWS": 100_000,
        "MAX_BODY_BYTES": 67_108_864,
        "DEFAULT_PAGE_SIZE": 50,
        "MAX_PAGE_SIZE": 1_000,
        "LOG_FILE": "server.log",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "text",
        "PID_FILE": "server.pid",
        "SHUTDOWN_SECONDS": 20,
    }


def test_a_setting_is_read_from_its_upper_case_name() -> None:
    assert read_settings({"PORT": " 9090 ", "LOG_LEVEL": "ERROR"}) == Settings(port=9090, log_level="ERROR")


def test_an_empty_setting_is_as_good_as_none() -> None:
    assert read_settings({"PORT": "", "HOST": " "}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "http", "PORT is wrong: expected a whole number from 0 to 65535"),
        ("PORT", "65536", "PORT is wrong: expected a whole number from 0 to 65535"),
        ("PORT", "-1", "PORT is wrong: expected a whole number from 0 to 65535"),
        ("THREADS", "0", "THREADS is wrong: expected a whole number from 1 to 1000"),
        ("MAX_BATCH_FLOWS", "many", "MAX_BATCH_FLOWS is wrong: expected a whole number"),
        ("LOG_LEVEL", "info", "LOG_LEVEL is wrong: expected DEBUG, INFO, WARNING or ERROR"),
        ("DEFAULT_PAGE_SIZE", "1001", "DEFAULT_PAGE_SIZE is 1001, but MAX_PAGE_SIZE is 1000"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_may_be(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({name: value})

    assert str(caught.value).startswith(says)
