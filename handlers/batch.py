"""A batch: its records, read and checked while they are taken, and how it is answered once it is stored."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from handlers.record import FlowRecord
from handlers.web import MAX_ERRORS_TOLD, TOO_MANY, Fault, RequestError, ToldFault, invalid, told_faults


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


class Bad(NamedTuple):
    """What is wrong with one element of a batch, and its line, where the batch has lines.

    After one that is ``endless`` nothing more can be read: where it ends is not known.
    """

    faults: Sequence[Fault]
    line: int | None = None
    endless: bool = False


Piece = Sequence[FlowRecord] | Bad
"""Some good records, one after another, or one bad element."""


class Batch:
    """The records of one POST, in pieces that are decoded while they are taken: only one piece is in memory at a time.

    Whether the batch is good is known once all its ``records`` have been taken; so are ``refused``, the bad records
    that were left out where that was preferred, and their ``faults``, of which there are ``total``.
    """

    def __init__(self, pieces: Iterable[Piece], max_flows: int, lenient: bool = False) -> None:
        self.lenient = lenient
        self.refused = self.total = 0
        self.faults: list[Fault] = []
        self._pieces = pieces
        self._max_flows = max_flows

    @property
    def records(self) -> Iterator[FlowRecord]:
        """Read the good records, once; where there are more than ``max_flows``, one more than that.

        Raises RequestError, possibly after some records: 422 that names each bad record and member, or only the first
        where there are more than ``max_flows`` elements; 406 where there are as many and bad ones may be left out.
        """
        return chain.from_iterable(self._good())

    def answer(self, accepted: int, flows: int) -> BatchAccepted | BatchSifted:
        """Answer that it is stored."""
        if not self.lenient:
            return BatchAccepted(accepted, flows)
        return BatchSifted(accepted, flows, self.refused, told_faults(self.faults), self.total)

    def _good(self) -> Iterator[Sequence[FlowRecord]]:
        seen = 0
        # One more than may be is enough for the handler to see that there are too many.
        room = self._max_flows + 1
        for piece in self._pieces:
            if isinstance(piece, Bad):
                self._refuse(seen, piece)
                seen += 1
            else:
                seen += len(piece)
                if room > 0:
                    yield piece if len(piece) <= room else piece[:room]
                    room -= len(piece)
            if seen > self._max_flows:
                self._end_early()
        if self.faults and not self.lenient:
            raise invalid(self.faults, self.total)

    def _refuse(self, index: int, bad: Bad) -> None:
        self.refused += 1
        self.total += len(bad.faults)
        room = MAX_ERRORS_TOLD - len(self.faults)
        self.faults += [Fault(("body", index, *fault.loc), fault.msg, bad.line) for fault in bad.faults[:room]]
        if bad.endless:
            raise invalid(self.faults, self.total)

    def _end_early(self) -> None:
        """Stop reading where the answer is known; a strict batch without a fault is read to its end to be known."""
        if self.lenient:
            raise RequestError(406, TOO_MANY)
        if self.faults:
            note = f"; the batch holds more than {self._max_flows} elements, so only the first error is told"
            raise invalid(self.faults[:1], 1, note)
