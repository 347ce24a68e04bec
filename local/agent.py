"""python -m local.agent FILE... --url URL: send the flow records in files, each once, however often it is killed."""

import argparse
import hashlib
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from tqdm import tqdm

from local.progress import Places
from local.sources import STANDARD_INPUT, Source, Unreadable, open_source

BATCH = 10_000
"""Records in the first batch: about 1.4 MB, which a function takes too."""

RETRIES = 30
LONGEST_PAUSE = 30
_TOLD = 10
_REFUSALS = (406, 409, 413, 422)
_TIMEOUT = urllib3.Timeout(connect=10, read=120)


class Stopped(Exception):
    """It makes no sense to go on; the message is a sentence for whoever started the agent."""


class Sender:
    """Sends batches to one URL until they are answered, and counts what became of them."""

    def __init__(self, url: str, retries: int = RETRIES) -> None:
        """Name the service by its URL, without /flows; each request is tried ``retries`` times more."""
        self._url = url.rstrip("/") + "/flows"
        self.counted: Counter[str] = Counter()
        self._http = urllib3.PoolManager(
            timeout=_TIMEOUT,
            retries=urllib3.Retry(
                total=retries,
                redirect=0,
                status_forcelist={429, *range(500, 600)},
                # Sent again under its key, a POST is counted once.
                allowed_methods=None,
                backoff_factor=0.25,
                backoff_jitter=0.25,
                backoff_max=LONGEST_PAUSE,
                raise_on_status=False,
            ),
        )

    def send(self, batch: Sequence[bytes], key: str) -> tuple[int, dict[str, Any]]:
        """POST records under a key, again and again where that may help; give the status and the answer.

        Raises Stopped when the service is out of reach for too long.
        """
        body = b"[" + b",".join(batch) + b"]"
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{key}"'}
        try:
            response = self._http.request("POST", self._url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Stopped(f"{self._url} is out of reach: {error}") from error
        if response.retries is not None:
            self.counted["retried"] += len(response.retries.history)
        if response.headers.get("Idempotency-Replayed"):
            self.counted["replayed"] += 1
        return response.status, _answer(response.data)


def _answer(body: bytes) -> dict[str, Any]:
    """Read an answer; what is none of the service's, as a proxy's page, is told as its message."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {"error_message": body[:200].decode(errors="replace")}


class Agent:
    """Sends sources, and keeps its place in each."""

    def __init__(self, sender: Sender, places: Places | None, size: int) -> None:
        """Send batches of ``size`` records at first; without places each source is sent from its beginning."""
        self._sender = sender
        self._places = places
        self._size = size
        self.refused: list[tuple[int, str]] = []

    def send(self, name: str, source: Source) -> None:
        """Send what has not been sent of a source. Raises Stopped."""
        records = iter(source.records)
        first = next(records, None)
        if first is None:
            return
        identity = f"{socket.gethostname()}:{name if name == STANDARD_INPUT else Path(name).resolve()}"
        places = Places(None) if self._places is None else self._places
        place = places.find(identity, first, self._size)
        records = islice(chain((first,), records), place.position, None)
        with tqdm(total=source.size, unit="B", unit_scale=True, desc=name, disable=None) as bar:
            batch: list[bytes] = []
            # A batch that was on its way when the agent was killed is sent as it was, though its file has grown.
            while batch := batch or list(islice(records, place.sending or place.size)):
                places.keep(identity, place.on_its_way(len(batch)))
                if self._deliver(identity, place.position, batch):
                    place, batch = place.past(len(batch)), []
                else:
                    half = (len(batch) + 1) // 2
                    records = chain(batch[half:], records)
                    place, batch = place.smaller(half), batch[:half]
                bar.update(source.read() - bar.n)
                bar.set_postfix(sent=f"{self._sender.counted['sent']:,}", refresh=False)
        places.keep(identity, place)

    def _deliver(self, identity: str, position: int, batch: list[bytes]) -> bool:
        """Send records until each is counted, or refused by name; tell whether they were not too many for that.

        The key says what is sent and from where, so that it is the same after a restart.
        """
        numbered = list(enumerate(batch, start=position))
        refused_here: list[tuple[int, str]] = []
        while numbered:
            body = [record for _, record in numbered]
            status, answer = self._sender.send(body, _key(identity, position, body))
            if status == 201:
                self._sender.counted["sent"] += answer["accepted"]
                self._sender.counted["batches"] += 1
                break
            said = str(answer.get("error_message", ""))
            if status not in _REFUSALS:
                raise Stopped(f"the service answered {status}: {said}")
            refused = _refused(body, status, answer) or ({0: said} if len(body) == 1 else {})
            if not refused:
                return False
            refused_here += [(numbered[place][0], why) for place, why in refused.items()]
            numbered = [each for place, each in enumerate(numbered) if place not in refused]
        self.refused += sorted(refused_here)
        return True


def _key(identity: str, position: int, body: Sequence[bytes]) -> str:
    digest = hashlib.sha256(f"{identity}\0{position}\0".encode())
    for record in body:
        digest.update(b"%d:" % len(record) + record)
    return digest.hexdigest()[:40]


def _refused(body: Sequence[bytes], status: int, answer: Any) -> dict[int, str]:
    """Tell which records an answer names, by their places, and why; none, where smaller batches have to find it out."""
    if status == 422:
        return {place: said for place, said in _faults(answer).items() if place < len(body)}
    if status == 409:
        said = answer["error_message"]
        return {place: said for place, record in enumerate(body) if _has_key(record, answer["key"])}
    return {}


def _faults(answer: Any) -> dict[int, str]:
    """Read which records a 422 names, and the first thing that is wrong with each."""
    faults: dict[int, str] = {}
    for error in answer.get("errors", ()):
        loc = error["loc"]
        if len(loc) > 1 and loc[0] == "body" and isinstance(loc[1], int):
            faults.setdefault(loc[1], ": ".join([*map(str, loc[2:]), error["msg"]]))
    return faults


def _has_key(record: bytes, key: dict[str, Any]) -> bool:
    flow = msgspec.json.decode(record)
    return isinstance(flow, dict) and {name: flow.get(name) for name in key} == key


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.agent",
        description="Send flow records out of files: JSON arrays, NDJSON or CSV with a header line, plain or gzip.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the service (default: %(default)s)")
    parser.add_argument(
        "--state", type=Path, default=Path("flows-agent.json"), help="where its place is kept (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=BATCH, help="records in a batch at first (default: %(default)s)")
    parser.add_argument(
        "--retries", type=int, default=RETRIES, help="times a request is tried again (default: %(default)s)"
    )
    return parser.parse_args(words)


def _told(sender: Sender, agent: Agent) -> Iterator[str]:
    """Say what became of everything."""
    for position, said in agent.refused[:_TOLD]:
        yield f"refused record {position:,}: {said}"
    if len(agent.refused) > _TOLD:
        yield f"... and {len(agent.refused) - _TOLD:,} more"
    counted = sender.counted
    yield (
        f"sent {counted['sent']:,} records in {counted['batches']:,} batches ({counted['replayed']:,} were counted "
        f"before), refused {len(agent.refused):,}, retried {counted['retried']:,} requests"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Send every file; return 0 when all was counted, 2 when records were refused, 1 when it had to stop."""
    arguments = _arguments(words)
    sender = Sender(arguments.url, arguments.retries)
    try:
        places = None if STANDARD_INPUT in arguments.files else Places(arguments.state)
        agent = Agent(sender, places, max(1, arguments.batch))
    except (OSError, ValueError) as error:
        sys.exit(f"{arguments.state} cannot be read: {error}.")
    stopped = ""
    try:
        for name in arguments.files:
            with open_source(name) as source:
                agent.send(name, source)
    except (Stopped, Unreadable) as error:
        stopped = f"stopped: {error}; start it again to go on"
    except KeyboardInterrupt:
        stopped = "stopped by a signal; start it again to go on"
    for line in _told(sender, agent):
        print(line, file=sys.stderr)
    if stopped:
        print(stopped, file=sys.stderr)
        return 1
    return 2 if agent.refused else 0


if __name__ == "__main__":
    sys.exit(main())
