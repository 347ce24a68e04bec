"""Where sums live: one store, the same verbs on every engine."""

# Before whatever else imports Peewee.
import storage.peewee_alone  # noqa: F401
from storage.engine import CannotOpen, engine_of
from storage.lazy import LazyStore
from storage.store import SumStore

__all__ = ["CannotOpen", "LazyStore", "SumStore", "open_store"]


def open_store(url: str, citus_shards: int = 8, idempotency_hours: int = 24) -> SumStore:
    """Open the store at a database URL, bringing its schema up to date. Raises CannotOpen.

    ``citus_shards`` is how many shards each table gets that is made on a Citus cluster, ``idempotency_hours`` how long
    deliveries are kept.
    """
    return SumStore(engine_of(url)(url, citus_shards, idempotency_hours))
