"""The shapes of answers that are written without a type of their own: tables, whose members are asked for."""

import msgspec
from msgspec import UNSET, UnsetType

from handlers.no_data import HoursWithData


class FlowRow(msgspec.Struct, kw_only=True):
    """A sum of flows; it has the members of the key that it is about, and records where these are asked for."""

    src_app: str | UnsetType = UNSET
    dest_app: str | UnsetType = UNSET
    vpc_id: str | UnsetType = UNSET
    hour: int | UnsetType = UNSET
    time: str | UnsetType | None = UNSET
    bytes_rx: int
    bytes_tx: int
    records: int | UnsetType = UNSET


class Other(msgspec.Struct, kw_only=True):
    """The rows that are not told one by one: how many, and their totals."""

    rows: int
    bytes_rx: int
    bytes_tx: int
    records: int | UnsetType = UNSET


class FlowPage(msgspec.Struct):
    """A page of sums, and how many there are in all, of one moment."""

    items: list[FlowRow]
    total: int
    page: int
    size: int
    hours_with_data: HoursWithData | UnsetType = UNSET


class FlowTop(msgspec.Struct):
    """The first rows, and the rest."""

    items: list[FlowRow]
    other: Other
    hours_with_data: HoursWithData | UnsetType = UNSET


class FlowWalk(msgspec.Struct):
    """The next rows, and the cursor to go on from, or null at the end."""

    items: list[FlowRow]
    size: int
    next: str | None
    hours_with_data: HoursWithData | UnsetType = UNSET


class HourRow(msgspec.Struct, kw_only=True):
    """An hour with its totals, and how many sums it has."""

    hour: int
    time: str | UnsetType | None = UNSET
    bytes_rx: int
    bytes_tx: int
    records: int
    flows: int


class HourPage(msgspec.Struct):
    """A page of hours, and how many there are in all."""

    items: list[HourRow]
    total: int
    page: int
    size: int
    hours_with_data: HoursWithData | UnsetType = UNSET


class AppRow(msgspec.Struct):
    """An app with its totals, as seen from it."""

    app: str
    bytes_rx: int
    bytes_tx: int
    records: int


class AppPage(msgspec.Struct):
    """A page of apps, and how many there are in all."""

    items: list[AppRow]
    total: int
    page: int
    size: int
    hours_with_data: HoursWithData | UnsetType = UNSET


class AppTop(msgspec.Struct):
    """The first apps, and the rest."""

    items: list[AppRow]
    other: Other
    hours_with_data: HoursWithData | UnsetType = UNSET


class VpcRow(msgspec.Struct):
    """A VPC with its totals."""

    vpc_id: str
    bytes_rx: int
    bytes_tx: int
    records: int


class VpcPage(msgspec.Struct):
    """A page of VPCs, and how many there are in all."""

    items: list[VpcRow]
    total: int
    page: int
    size: int
    hours_with_data: HoursWithData | UnsetType = UNSET


class VpcTop(msgspec.Struct):
    """The first VPCs, and the rest."""

    items: list[VpcRow]
    other: Other
    hours_with_data: HoursWithData | UnsetType = UNSET
