"""A decoded batch, and how it is answered once it is stored."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from handlers.record import FlowRecord
from handlers.web import Fault, ToldFault, told_faults


class BatchAccepted(msgspec.Struct):
    """The answer to a stored batch: the records taken, and the distinct keys among them."""

    accepted: int
    flows: int


class BatchSifted(msgspec.Struct):
    """The answer to a batch whose bad records were to be left out: how many these are, and what is wrong with them."""

    accepted: int
    flows: int
    refused: int
    errors: list[ToldFault]
    errors_total: int


class Batch(NamedTuple):
    """A decoded batch; ``refused`` bad records were left out, which have ``total`` faults, where that was preferred."""

    records: Iterable[FlowRecord]
    lenient: bool = False
    refused: int = 0
    faults: Sequence[Fault] = ()
    total: int = 0

    def answer(self, accepted: int, flows: int) -> BatchAccepted | BatchSifted:
        """Answer that it is stored."""
        if not self.lenient:
            return BatchAccepted(accepted, flows)
        return BatchSifted(accepted, flows, self.refused, told_faults(self.faults), self.total)
