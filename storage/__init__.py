"""Where sums live: one store, the same verbs on every engine."""

from storage.engine import CannotOpen, connect
from storage.group_commit import GroupCommit
from storage.store import SumStore

__all__ = ["CannotOpen", "GroupCommit", "SumStore", "open_store"]


def open_store(url: str) -> SumStore:
    """Open the store at a database URL, bringing its schema up to date. Raises CannotOpen."""
    return SumStore(connect(url))
