"""An answer that is made while it is sent, so that it takes no more memory the longer it is."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from handlers.formats.rows import Row

Write = Callable[[Iterable[Sequence[Row]]], Iterator[bytes]]
"""Makes the bytes of an answer from chunks of its rows."""


def let_go(made: object) -> None:
    """Close what makes something while it is taken, such as a generator, if it can be closed."""
    if (close := getattr(made, "close", None)) is not None:
        close()


class Stream:
    """The bytes of an answer, to be taken one after another and closed, whether it was taken to its end or not."""

    def __init__(self, chunks: Iterable[Sequence[Row]], write: Write) -> None:
        """Make the first bytes already: what fails until then is answered as any fault is.

        Raises what ``chunks`` raise.
        """
        self.records = 0
        """Rows that have been made into bytes."""
        self._chunks = chunks
        self._bytes = write(self._counted())
        try:
            self._first = next(self._bytes, b"")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """Begin at the first bytes; there is one beginning only."""
        return self

    def __next__(self) -> bytes:
        """Give the next bytes. Raises what the rows raise: then the answer is not whole, and must not look so."""
        first, self._first = self._first, b""
        return first or next(self._bytes)

    def close(self) -> None:
        """Let go of what the rows come from."""
        let_go(self._bytes)
        let_go(self._chunks)

    def _counted(self) -> Iterator[Sequence[Row]]:
        for chunk in self._chunks:
            yield chunk
            self.records += len(chunk)
