"""Who may do what, how often, and what is refused without tokens: the same through every edge."""

from collections.abc import Callable

import pytest

from handlers.access import Access, Token, digest_of, read_access, read_tokens
from handlers.client_address import client_address, read_networks
from handlers.rate_limit import MOST_CALLERS, RateLimit
from handlers.record import FlowStore
from handlers.settings import Settings, SettingsError
from handlers.web import Request, RequestError
from tests.edges import EDGES, Answer
from tests.factories import SAMPLE, to_json

JSON = {"Content-Type": "application/json"}
TOKENS = (
    Token("dash", "read", digest_of("secret-r")),
    Token("web-1", "write", digest_of("secret-w")),
    Token("web-1", "write", digest_of("secret-w2")),
    Token("web-2", "write", digest_of("secret-v")),
    Token("ops", "admin", digest_of("secret-a")),
)
Ask = Callable[..., Answer]


@pytest.fixture
def ask(edge: str, sum_store: FlowStore, settings: Settings) -> Ask:
    """An edge that wants tokens."""
    return EDGES[edge](sum_store, settings, Access(TOKENS))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("token", "get", "post"), [("secret-r", 200, 403), ("secret-w", 403, 201), ("secret-a", 200, 201)]
)
def test_a_role_reaches_as_far_as_it_says(ask: Ask, token: str, get: int, post: int) -> None:
    read = ask("GET", "/flows?hour=1", b"", bearer(token))
    written = ask("POST", "/v1/flows", b"[]", {**JSON, **bearer(token)})

    assert (read.status, written.status) == (get, post)
    for answer, scope in ((read, "read"), (written, "write")):
        if answer.status == 403:
            told = f'Bearer realm="flows", error="insufficient_scope", scope="{scope}"'
            assert answer.headers["www-authenticate"] == told
            assert f"this takes {scope} or admin" in answer.json["error_message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("secret"),
        bearer("secret-w x"),
        bearer("é\ud800".encode("utf-8", "replace").decode()),
        {"Authorization": "secret-w"},
        {"Authorization": "Basic c2VjcmV0LXc6"},
    ],
    ids=["none", "empty", "unknown", "two words", "not ASCII", "bare", "another scheme"],
)
def test_without_a_known_token_nothing_is_answered_and_nothing_counted(
    ask: Ask, sum_store: FlowStore, headers: dict[str, str]
) -> None:
    written = ask("POST", "/flows", to_json(SAMPLE), {**JSON, **headers})
    read = ask("GET", "/flows?hour=2", b"", headers)

    assert written.status == read.status == written.json["status_code"] == 401
    assert written.headers["www-authenticate"].startswith('Bearer realm="flows"')
    assert sum_store.read(2, 0, 1).total == 0


@pytest.mark.parametrize(("token", "status"), [("secret-r", 200), ("secret-a", 200), ("secret-w", 403), ("x", 401)])
def test_a_head_takes_the_role_of_its_get(ask: Ask, token: str, status: int) -> None:
    answer = ask("HEAD", "/hours", b"", bearer(token))

    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_known_however_it_is_written(ask: Ask, scheme: str) -> None:
    assert ask("GET", "/flows?hour=1", b"", {"Authorization": f"{scheme} secret-r"}).status == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_what_is_open_takes_no_token(ask: Ask, path: str) -> None:
    assert ask("GET", path).status == 200


def test_404_and_405_come_before_401_and_401_before_415(ask: Ask) -> None:
    assert ask("GET", "/nowhere").status == 404
    assert ask("DELETE", "/flows").status == 405
    assert ask("POST", "/flows", b"", {"Content-Type": "text/xml"}).status == 401
    assert ask("POST", "/flows", b"", {"Content-Type": "text/xml", **bearer("secret-r")}).status == 403


def test_keys_belong_to_the_name_of_the_token(ask: Ask) -> None:
    keyed = {**JSON, "Idempotency-Key": '"1"'}

    first = ask("POST", "/flows", to_json(SAMPLE), {**keyed, **bearer("secret-w")})
    rotated = ask("POST", "/flows", to_json(SAMPLE), {**keyed, **bearer("secret-w2")})
    other = ask("POST", "/flows", to_json(SAMPLE[:1]), {**keyed, **bearer("secret-v")})

    assert [answer.status for answer in (first, rotated, other)] == [201, 201, 201]
    assert [answer.headers.get("idempotency-replayed") for answer in (first, rotated, other)] == [None, "true", None]


def test_a_token_never_reaches_the_log_and_its_name_does(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        ask("POST", "/flows", b"[", {**JSON, **bearer("secret-w")})
        ask("GET", "/flows?hour=1&token=secret-r", b"", bearer("secret-x"))

    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)
    assert caplog.records[0].getMessage().endswith("0 records caller=web-1")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:8080", 200),
        ("127.8.9.1", 200),
        ("[::1]:1", 200),
        ("flows.example.net", 403),
        ("localhost.example.net", 403),
        ("127.0.0.1.example.net", 403),
        ("10.0.0.7:8080", 403),
        ("[::2]", 403),
    ],
)
def test_without_tokens_only_a_local_name_is_answered(
    edge: str, sum_store: FlowStore, settings: Settings, host: str, status: int
) -> None:
    ask = EDGES[edge](sum_store, settings, Access(anonymous="near"))

    assert ask("GET", "/flows?hour=1", b"", {"Host": host}).status == status
    assert ask("GET", "/", b"", {"Host": host}).status == status


@pytest.mark.parametrize("anonymous", ["near", "yes"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8080", 201),
        ("HTTP://LOCALHOST:8080", 201),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_without_tokens_another_sites_page_cannot_post(
    edge: str, sum_store: FlowStore, settings: Settings, anonymous: str, origin: str, status: int
) -> None:
    ask = EDGES[edge](sum_store, settings, Access(anonymous=anonymous))  # type: ignore[arg-type]

    # What a form can send: https://fetch.spec.whatwg.org/#cors-safelisted-request-header
    answer = ask("POST", "/flows", to_json(SAMPLE), {"Host": "localhost:8080", "Origin": origin})

    assert answer.status == status
    assert sum_store.read(2, 0, 1).total == (2 if status == 201 else 0)


def test_with_tokens_any_name_and_site_may_ask(ask: Ask) -> None:
    headers = {"Host": "flows.example.net", "Origin": "https://dash.example.net", **bearer("secret-r")}

    assert ask("GET", "/flows?hour=1", b"", headers).status == 200


def test_where_nobody_has_been_allowed_in_all_but_what_is_open_is_503(
    edge: str, sum_store: FlowStore, settings: Settings
) -> None:
    ask = EDGES[edge](sum_store, settings, Access(anonymous="no"))

    refused = ask("POST", "/flows", b"[]", JSON)

    assert refused.status == 503
    assert "API_TOKENS is empty" in refused.json["error_message"]
    assert "retry-after" in refused.headers
    assert ask("GET", "/healthz").status == 200


def limited(a_minute: int, burst: int) -> "tuple[RateLimit, list[float]]":
    clock = [100.0]
    return RateLimit(a_minute, burst, lambda: clock[0]), clock


def test_a_caller_past_the_rate_is_told_when_to_come_again(edge: str, sum_store: FlowStore, settings: Settings) -> None:
    rate_limit, clock = limited(a_minute=6, burst=2)
    ask = EDGES[edge](sum_store, settings, Access(TOKENS, rate_limit=rate_limit))

    answers = [ask("GET", "/flows?hour=1", b"", bearer("secret-r")) for _ in range(3)]
    other = ask("GET", "/flows?hour=1", b"", bearer("secret-a"))
    clock[0] += 10
    later = ask("GET", "/flows?hour=1", b"", bearer("secret-r"))

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "10"
    assert answers[2].json["error_message"] == "Too many requests; come again in 10 s"
    assert (other.status, later.status) == (200, 200)


def test_the_tokens_of_a_name_share_its_rate_and_open_routes_have_none(ask: Ask, sum_store: FlowStore) -> None:
    rate_limit, _ = limited(a_minute=1, burst=1)
    ask = EDGES["local"](sum_store, Settings(), Access(TOKENS, rate_limit=rate_limit))

    first = ask("POST", "/flows", b"[]", {**JSON, **bearer("secret-w")})
    second = ask("POST", "/flows", b"[]", {**JSON, **bearer("secret-w2")})

    assert (first.status, second.status) == (201, 429)
    assert [ask("GET", "/healthz").status for _ in range(3)] == [200, 200, 200]


def test_in_the_long_run_the_rate_holds_whatever_the_times() -> None:
    rate_limit, clock = limited(a_minute=60, burst=5)
    taken = 0

    for step in range(1_000):
        clock[0] += (step * 7 % 5) / 10
        try:
            rate_limit.take("a")
            taken += 1
        except RequestError:
            pass

    assert 5 + 200 - 1 <= taken <= 5 + 200


@pytest.mark.parametrize(("a_minute", "burst"), [(7, 2), (60, 60), (11, 13), (999, 1_000), (1, 1)])
def test_a_burst_is_let_through_whole_and_no_more(a_minute: int, burst: int) -> None:
    rate_limit = RateLimit(a_minute, burst, lambda: 123_456.789)

    for _ in range(burst):
        rate_limit.take("a")

    with pytest.raises(RequestError):
        rate_limit.take("a")


def test_many_callers_cost_bounded_memory_and_the_latest_are_remembered() -> None:
    rate_limit, _ = limited(a_minute=1, burst=1)

    for number in range(MOST_CALLERS + 500):
        rate_limit.take(f"caller-{number}")

    assert len(rate_limit._empty_at) == MOST_CALLERS
    with pytest.raises(RequestError):
        rate_limit.take(f"caller-{MOST_CALLERS}")


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("192.0.2.1", "", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "10.0.0.0/8", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9", "10.0.0.0/8", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9, 10.2.2.2", "10.0.0.0/8", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "", "192.0.2.1"),
        ("::1", "2001:db8::7", "::1", "2001:db8::/64"),
        ("10.0.0.1", "192.0.2.7:5123", "10.0.0.0/8", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::7]:5123", "10.0.0.0/8", "2001:db8::/64"),
        ("", "", "", ""),
    ],
)
def test_a_client_is_whom_the_last_trusted_proxy_names(peer: str, forwarded: str, proxies: str, address: str) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}

    assert client_address(Request("GET", "/", headers=headers, peer=peer), read_networks(proxies)) == address


@pytest.mark.parametrize("edge_name", EDGES)
def test_every_edge_tells_the_peer(edge_name: str, sum_store: FlowStore) -> None:
    rate_limit, _ = limited(a_minute=1, burst=1)
    ask = EDGES[edge_name](sum_store, Settings(), Access(rate_limit=rate_limit))

    ask("GET", "/flows?hour=1")

    (caller,) = rate_limit._empty_at
    assert caller.count(".") == 3


def entry(name: str = "a", role: str = "read", digest: str = "0" * 64) -> str:
    return f"{name}:{role}:{digest}"


def test_tokens_are_read_from_a_line_and_from_a_file_with_remarks() -> None:
    line = f"{entry('a')},{entry('b', 'write', 'A' * 64)}"
    file = f"# agents\n{entry('c', 'admin', 'b' * 64)}  # until May\n\n{entry('c', 'admin', 'c' * 64)}\n"
    settings = Settings(api_tokens=line, api_tokens_file="tokens")

    access = read_access(settings, file, float)

    assert [(token.name, token.role) for token in access.tokens] == [
        ("a", "read"),
        ("b", "write"),
        ("c", "admin"),
        ("c", "admin"),
    ]
    assert access.tokens[1].digest == b"\xaa" * 32


@pytest.mark.parametrize(
    "text", ["secret", "a:read", entry(role="all"), entry(name=""), entry(name="a b"), entry(digest="0" * 63)]
)
def test_an_entry_that_is_none_is_told_by_its_number_alone(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        list(read_tokens("API_TOKENS", f"{entry()},{text}"))

    assert str(caught.value).startswith("API_TOKENS is wrong: its entry 2 is not NAME:ROLE:SHA256")
    assert "secret" not in str(caught.value)


def test_a_file_without_tokens_lets_nobody_in_by_mistake() -> None:
    with pytest.raises(SettingsError, match="API_TOKENS_FILE holds no token"):
        read_access(Settings(api_tokens_file="tokens", allow_anonymous=1), "# none yet\n", float)


def test_an_empty_list_of_tokens_is_a_mistake_too() -> None:
    with pytest.raises(SettingsError, match="API_TOKENS holds no token"):
        read_access(Settings(api_tokens=",", allow_anonymous=1), "", float)


def test_an_origin_without_a_host_is_another_sites(sum_store: FlowStore, settings: Settings) -> None:
    ask = EDGES["local"](sum_store, settings, Access(anonymous="near"))

    assert ask("POST", "/flows", b"[]", {"Host": "", "Origin": "null"}).status == 403


def test_a_token_that_was_put_into_the_path_or_the_id_reaches_no_log(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        ask("GET", "/flows_" + "s3cret-" * 6 + "x", b"", {"X-Request-Id": "flows_" + "s3cret-" * 6 + "x"})

    assert "s3cret" not in "".join(str(vars(record)) for record in caplog.records)
    assert "/flows_..." in caplog.text


def test_the_same_token_twice_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="the same token twice"):
        read_access(Settings(api_tokens=f"{entry('a')} {entry('b')}"), "", float)


def test_proxies_that_are_no_addresses_are_a_mistake() -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES is wrong"):
        read_access(Settings(trusted_proxies="proxy.example.net"), "", float)
