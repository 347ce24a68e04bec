"""GET /graph: who talks to whom, as nodes and links."""

from typing import cast

import msgspec
from msgspec import UNSET, UnsetType

from handlers.accept import shape_of
from handlers.language import read_graph_query
from handlers.no_data import HoursWithData, hours_with_data
from handlers.question import Rest
from handlers.reads import rest_of
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.table import answer_unless_known
from handlers.web import Request, Response

LINKS = 50
"""Links that are told where it is not said how many."""


class Node(msgspec.Struct):
    """An app, with the bytes of the links that are told, as seen from it; a link to itself counts once."""

    app: str
    bytes_rx: int = 0
    bytes_tx: int = 0
    records: int = 0


class Link(msgspec.Struct):
    """What goes from one app to another, over all VPCs and hours that were asked for."""

    src_app: str
    dest_app: str
    bytes_rx: int
    bytes_tx: int
    records: int


class Graph(msgspec.Struct):
    """The links with the most bytes first, their ends by name, and the rest of the links as one."""

    nodes: list[Node]
    links: list[Link]
    other: dict[str, int]
    hours_with_data: HoursWithData | UnsetType = UNSET
    """Which hours have flows, where those that were asked for have none."""


def get_graph(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer with the greatest links.

    It is JSON, whatever Accept says: there is no other form. Raises RequestError 422 on a bad query, 406 where no
    coding would be accepted, and what the store raises.
    """
    asked = read_graph_query(request.query, settings, LINKS, request.hour)
    shape = shape_of(request, "json")

    def draw() -> Response:
        found = store.ask(asked.question)
        links = [Link(*row) for row in found.rows]  # type: ignore[arg-type]
        no_data = hours_with_data(store, asked.question.hours, links)
        graph = Graph(_nodes(links), links, rest_of(cast("Rest", found.rest), records=True), **no_data)
        return Response(200, msgspec.json.encode(graph), records=len(links))

    return answer_unless_known(request, shape, asked, lambda: store.version(asked.question.hours), draw)


def _nodes(links: list[Link]) -> list[Node]:
    nodes: dict[str, Node] = {}
    for link in links:
        _add(nodes, link.src_app, link.bytes_rx, link.bytes_tx, link.records)
        if link.dest_app != link.src_app:
            _add(nodes, link.dest_app, link.bytes_tx, link.bytes_rx, link.records)
    return [nodes[app] for app in sorted(nodes)]


def _add(nodes: dict[str, Node], app: str, bytes_rx: int, bytes_tx: int, records: int) -> None:
    node = nodes.setdefault(app, Node(app))
    node.bytes_rx += bytes_rx
    node.bytes_tx += bytes_tx
    node.records += records
