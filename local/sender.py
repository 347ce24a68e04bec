"""Sends batches to a service until they are answered."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import msgspec
import urllib3

LONGEST_PAUSE = 30.0
FIRST_PAUSE = 0.25
_TIMEOUT = urllib3.Timeout(connect=10, read=120)


class Stopped(Exception):
    """It makes no sense to go on; the message is a sentence for whoever started the agent."""


class _Retry(urllib3.Retry):
    """urllib3's, with pauses that no two agents take alike, and counted."""

    counted: ClassVar[Counter[str]]

    def increment(self, *parameters: Any, **more: Any) -> Self:
        retry = super().increment(*parameters, **more)
        self.counted["retried"] += 1
        return retry

    def get_backoff_time(self) -> float:
        """Wait any time up to a bound that doubles.

        "Full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** len(self.history))
        return random.uniform(0, bound)  # noqa: S311 (nothing is kept secret by it)

    def get_retry_after(self, response: Any) -> float | None:
        """Wait as long as asked, and a little longer; what cannot be read asks for nothing."""
        try:
            asked = super().get_retry_after(response)
        except urllib3.exceptions.InvalidHeader:
            return None
        return None if asked is None else asked + random.uniform(0, 1)  # noqa: S311


class Sender:
    """Sends to one service, and counts: ``sent`` records, ``batches``, those ``replayed``, requests ``retried``."""

    def __init__(self, url: str, retries: int, token: str = "") -> None:
        """Name the service by its URL, without /flows; each request is tried ``retries`` times more."""
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/") + "/flows"
        self.counted: Counter[str] = Counter()
        counting: type[_Retry] = type("Counting", (_Retry,), {"counted": self.counted})
        self._http = urllib3.PoolManager(
            timeout=_TIMEOUT,
            retries=counting(
                total=retries,
                redirect=False,
                status_forcelist={429, *range(500, 600)},
                # Sent again under its key, a POST is counted once.
                allowed_methods=None,
                raise_on_status=False,
            ),
        )

    def send(self, body: Sequence[bytes], key: str) -> tuple[int, dict[str, Any]]:
        """POST records under a key, again and again where that may help; give the status and the answer.

        Bad ones are to be left out. Raises Stopped when the service is out of reach for too long.
        """
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f'"{key}"',
            "Prefer": "handling=lenient",
            **self._authorization,
        }
        try:
            response = self._http.request("POST", self.url, body=b"[" + b",".join(body) + b"]", headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Stopped(f"{self.url} is out of reach: {error}") from error
        answer = _answer(response.data)
        if response.status == 201:
            if not isinstance(answer.get("accepted"), int):
                raise Stopped(f"{self.url} answers 201 and does not say what it has accepted")
            self.counted["sent"] += answer["accepted"]
            self.counted["batches"] += 1
            self.counted["replayed"] += "Idempotency-Replayed" in response.headers
        return response.status, answer


def _answer(body: bytes) -> dict[str, Any]:
    """Read an answer; what is none of the service's, as a proxy's page, is told as its message."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {"error_message": body[:200].decode(errors="replace")}
