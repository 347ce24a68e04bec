"""What the head of a request may cost before its token is checked: lines, and the bytes of each of its parts.

waitress takes 10 microseconds for a header line, in the thread that serves all connections, and has no limit but the
length of the whole.
"""

MOST_LINES = 100
MOST_FIELD_BYTES = 32_768
MOST_PATH_BYTES = 4_096


def excess(head: bytes) -> str:
    """Return which limit the head of a request passes, in words, or an empty string; ``head`` ends with a blank line.

    The query may be longer than everything else: a thousand hours, or a hundred names that are percent-encoded.
    """
    # The request line and the blank line have an end each, too.
    if head.count(b"\r\n") > MOST_LINES + 2:
        return f"there are more than {MOST_LINES} header lines"
    if len(head) <= MOST_PATH_BYTES:
        return ""
    line, _, fields = head.partition(b"\r\n")
    if len(fields) > MOST_FIELD_BYTES:
        return f"the header lines are longer than {MOST_FIELD_BYTES} bytes"
    if len(line.partition(b"?")[0]) > MOST_PATH_BYTES:
        return f"the path is longer than {MOST_PATH_BYTES} bytes"
    return ""
