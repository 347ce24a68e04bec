"""What the agent prints: one line at a time, on standard error, with nothing in it that could steer a terminal."""

import os
import sys

from tqdm import tqdm

MAX_OUTSIDE = 300
"""Characters shown of a text that somebody else wrote."""

_USUAL_COLUMNS = 80


def say(line: str) -> None:
    """Print one line past the progress bar, escaped."""
    tqdm.write(escaped(line), file=sys.stderr)


def escaped(text: str) -> str:
    """Escape line breaks, control characters and whatever else is not printable, as Python writes it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str) -> str:
    """Cut a text from outside to a length fit for a line."""
    return text if len(text) <= MAX_OUTSIDE else f"{text[:MAX_OUTSIDE]}..."


def columns() -> int:
    """Return the width of the terminal; one that gives its width as 0 does not know it."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL_COLUMNS
    except (OSError, ValueError):
        return _USUAL_COLUMNS
