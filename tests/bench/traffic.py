"""Seeded traffic with the shape of the real thing: few busy pairs, many quiet ones, sizes over many magnitudes."""

import random
from collections.abc import Sequence

import msgspec

APPS = 2_000
VPCS = 20
HOUR = 494_000
"""An hour since the Unix epoch, in 2026."""

_rng = random.Random(7)
_KINDS = ("api", "auth", "billing", "cart", "catalog", "mail", "orders", "search", "stock", "web")
_apps = [f"{_rng.choice(_KINDS)}-{number:04d}" for number in range(APPS)]
_vpcs = [f"vpc-{_rng.getrandbits(32):08x}" for _ in range(VPCS)]

Key = tuple[str, str, str]


def make_keys(count: int, seed: int) -> list[Key]:
    """Make distinct (src_app, dest_app, vpc_id) keys."""
    rng = random.Random(seed)
    keys: set[Key] = set()
    while len(keys) < count:
        keys.add((rng.choice(_apps), rng.choice(_apps), rng.choice(_vpcs)))
    return sorted(keys, key=lambda key: rng.random())


def make_batch(keys: Sequence[Key], records: int, seed: int, hour: int = HOUR) -> bytes:
    """Write a JSON batch of ``records`` flow objects, about 135 bytes each.

    Each key comes about equally often; bytes are log-normal, as flow sizes are.
    """
    rng = random.Random(seed)
    chosen = list(keys) if len(keys) == records else rng.choices(keys, k=records)
    return msgspec.json.encode([_flow(key, hour, rng) for key in chosen])


def _flow(key: Key, hour: int, rng: random.Random) -> dict[str, object]:
    src_app, dest_app, vpc_id = key
    return {
        "src_app": src_app,
        "dest_app": dest_app,
        "vpc_id": vpc_id,
        "bytes_tx": int(rng.lognormvariate(12, 2)),
        "bytes_rx": int(rng.lognormvariate(13, 2)),
        "hour": hour,
    }


def make_report(records: int, seed: int, hour: int = HOUR) -> bytes:
    """Write one agent's batch: the flows of one app to its peers, of which every app has 20."""
    rng = random.Random(seed)
    number = rng.randrange(APPS)
    peers = random.Random(number).sample(_apps, 20)
    vpc_id = _vpcs[number % VPCS]
    keys = [(_apps[number], rng.choice(peers), vpc_id) for _ in range(records)]
    return msgspec.json.encode([_flow(key, hour, rng) for key in keys])
