"""The local server's store: batches are committed together, and questions that read many sums take turns."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from handlers.question import KEY, WALK, Found, Question, Row
from handlers.stream import let_go
from local.dispatcher import step_aside
from local.turns import Turns, turns_at_once
from storage import SumStore
from storage.group_commit import GroupCommit
from storage.kept import tells

LONG_ROWS = 200_000
"""Sums that a question reads from which it is long: a tenth of a second of a processor, and up to half."""

FILTERED = 4
"""How many times faster sums are passed by that a filter leaves out; measured between 4 and 10."""


class LocalStore(GroupCommit):
    """A FlowStore for many threads over another."""

    def __init__(self, store: SumStore, observe: Callable[[int, float], None] = lambda _, __: None) -> None:
        """Wrap a store; see GroupCommit."""
        super().__init__(store, store.writers, observe)
        self._count = store.count
        self._turns = Turns(turns_at_once(), step_aside)

    def ask(self, question: Question) -> Found:
        """Answer a question, a long one when it has its turn; see FlowStore. Raises TooManyQuestions."""
        with self._turn(question):
            return super().ask(question)

    def stream(self, question: Question) -> Iterator[list[Row]]:
        """Answer with rows alone; see FlowStore. The turn ends with the first rows: then all has been sorted."""
        rows = super().stream(question)
        try:
            with self._turn(question):
                first = next(rows, None)
            if first is not None:
                yield first
                yield from rows
        finally:
            let_go(rows)

    def _turn(self, question: Question) -> AbstractContextManager[None]:
        if not may_be_long(question):
            return nullcontext()
        read = self._count(question.hours) // (FILTERED if question.filters else 1)
        return self._turns.turn((question.members, question.both)) if read > LONG_ROWS else nullcontext()


def may_be_long(question: Question) -> bool:
    """Return whether a query reads all sums of its hours, not their kept totals or a part in the order of the key."""
    if tells(question):
        return False
    order = tuple(sort.member for sort in question.order)
    ascending = not any(sort.descending for sort in question.order)
    by_key = ascending and (order == WALK or (order == KEY and len(question.hours.chosen) == 1))
    return question.merges or bool(question.filters) or not by_key
