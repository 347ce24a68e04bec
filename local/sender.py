"""Sends batches to a service until they are answered: each request, answer and wait is bounded."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import urllib3

from local.answers import Accepted, Refusal, Stopped, read_accepted, read_refusal
from local.terminal import say

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
LONGEST_ASKED = 3_600
"""Seconds that Retry-After may ask for; after that the request is tried again, whatever it says."""

MAX_ANSWER_BYTES = 1 << 20
_CONNECT_SECONDS = 10
_READ_SECONDS = 120
_REQUEST_SECONDS = 600
"""Seconds for one request and its answer as a whole, however steadily it trickles."""


class _Reply(NamedTuple):
    """An answer as it came, its body cut after ``MAX_ANSWER_BYTES``; or, with status 0, why there was none."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    replayed: bool = False
    why: str = ""

    def may_pass(self) -> bool:
        """Return whether the same request may be answered otherwise later."""
        return self.status in (0, 429) or self.status >= 500


class Sender:
    """Sends to one service, and counts: ``sent`` records, ``batches``, those ``replayed``, requests ``retried``."""

    def __init__(self, url: str, retries: int, token: str = "") -> None:
        """Name the service by its URL, without /flows; each request is tried ``retries`` times more.

        Raises ValueError, a sentence, when the URL or the token is none.
        """
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = _checked(url).rstrip("/") + "/flows"
        self.counted: Counter[str] = Counter()
        self._retries = retries
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS), retries=False
        )

    def send(self, records: Sequence[bytes], key: str) -> tuple[int, Accepted | Refusal]:
        """POST records under a key, again and again where that may help; return the status and the answer.

        The service is asked to leave out bad records. Raises Stopped when it is out of reach for too long, or when an
        answer of 201 is none to these records.
        """
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f'"{key}"',
            "Prefer": "handling=lenient",
            **self._authorization,
        }
        body = b"[" + b",".join(records) + b"]"
        reply = self._ask(body, headers)
        for retry in range(1, self._retries + 1):
            if not reply.may_pass():
                break
            self._wait(retry, reply)
            reply = self._ask(body, headers)
        if reply.status == 0:
            raise Stopped(f"cannot reach {self.url}: {reply.why}")
        if reply.status != 201:
            return reply.status, read_refusal(reply.body)
        accepted = read_accepted(reply.body, len(records))
        self.counted["sent"] += accepted.accepted
        self.counted["batches"] += 1
        self.counted["replayed"] += reply.replayed
        return reply.status, accepted

    def _ask(self, body: bytes, headers: dict[str, str]) -> _Reply:
        """Send one request, and read its answer as far as it may go.

        What is compressed stays so: it was not asked for, and may unpack to any size.
        """
        try:
            with _limited(_REQUEST_SECONDS):
                answer = self._http.request(
                    "POST", self.url, body=body, headers=headers, redirect=False, preload_content=False
                )
                try:
                    content = _read(answer)
                finally:
                    # What is left unread must not come before the next answer.
                    answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _Reply(0, why=_reason(error))
        replayed = "Idempotency-Replayed" in answer.headers
        return _Reply(answer.status, content, answer.headers.get("Retry-After", ""), replayed)

    def _wait(self, retry: int, reply: _Reply) -> None:
        seconds = _pause(retry, reply.retry_after)
        why = f"the service answered {reply.status}" if reply.status else f"cannot reach {self.url}: {reply.why}"
        say(f"waiting {seconds:,.1f} s before retry {retry:,} of {self._retries:,}: {why}")
        self.counted["retried"] += 1
        time.sleep(seconds)


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Read a body up to its end, which urllib3 checks, or its limit."""
    content = b""
    while part := answer.read(MAX_ANSWER_BYTES - len(content), decode_content=False):
        content += part
    return content


def _pause(retry: int, retry_after: str) -> float:
    """Return the seconds to wait: what Retry-After asks for and a little more, or up to a bound that doubles.

    "Full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    try:
        asked = urllib3.Retry().parse_retry_after(retry_after)
        return min(asked, LONGEST_ASKED) + random.uniform(0, 1)  # noqa: S311 (nothing is kept secret by it)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(retry, 20))
        return random.uniform(0, bound)  # noqa: S311


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after ``seconds``: a socket's own timeout begins anew with each byte that arrives."""

    def expire(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _reason(error: BaseException) -> str:
    """Say in our own words why there was no answer."""
    match error:
        case urllib3.exceptions.NameResolutionError():
            return "its host is not known"
        case urllib3.exceptions.NewConnectionError(__cause__=OSError(strerror=str(reason))):
            return reason.lower()
        case urllib3.exceptions.ConnectTimeoutError():
            return "no connection in time"
        case urllib3.exceptions.ReadTimeoutError():
            return "no whole answer in time"
        case urllib3.exceptions.SSLError():
            return f"TLS failed: {error.args[0]}"
        case TimeoutError():
            return "no whole answer in time"
    return "the connection broke before the answer was complete"


def _checked(url: str) -> str:
    try:
        parsed = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        parsed = urllib3.util.Url()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise ValueError(f"{url} is no URL of a service, such as http://127.0.0.1:8080")
    return url
