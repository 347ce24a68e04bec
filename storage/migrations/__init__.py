"""Bring a database's schema to the version this code knows, one numbered step after another."""

from collections.abc import Iterable, Sequence

from storage.engine import CannotOpen

Step = Sequence[str]
"""The statements of one version. A step that has been released is never changed: a mend is a further step."""


def outstanding(version: int, steps: Sequence[Step], database: str) -> Iterable[tuple[int, Step]]:
    """List the steps, by number, that a database of a version has not had.

    Raises CannotOpen when it is newer than this code.
    """
    if version > len(steps):
        raise CannotOpen(
            f"{database} has schema version {version}, and this release knows {len(steps)} at most: run a newer release"
        )
    return enumerate(steps[version:], start=version + 1)
