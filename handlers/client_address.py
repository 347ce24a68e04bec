"""Which client a request comes from: the peer, or whom a trusted proxy names."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from handlers.settings import SettingsError
from handlers.web import Request

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    Network = IPv4Network | IPv6Network
else:
    Network = object

_PORT = r"^\[([0-9a-fA-F:.]+)\](?::[0-9]+)?$|^([0-9.]+):[0-9]+$"
_IPV6_CLIENT_BITS = 64
"""A host has a whole /64 to choose addresses from: RFC 6177."""


def read_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks separated by commas. Raises SettingsError."""
    if not text:
        return ()
    # Imported where it is needed: it takes longer than the rest of the access rules.
    from ipaddress import ip_network

    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise SettingsError("TRUSTED_PROXIES is wrong: expected addresses such as 10.0.0.7 or 10.0.0.0/8") from None


def client_address(request: Request, proxies: Sequence[Network]) -> str:
    """Tell the address of the client; of an IPv6 address the network that its host may choose from.

    Of X-Forwarded-For, which anybody may send, the last address is taken that is not a trusted proxy's.
    """
    from ipaddress import ip_address, ip_network

    hops = [*request.headers.get("x-forwarded-for", "").split(","), request.peer] if proxies else [request.peer]
    known = request.peer
    for hop in reversed(hops):
        try:
            # Some proxies add the port.
            address = ip_address(re.sub(_PORT, r"\1\2", hop.strip()))
        except ValueError:
            break
        known = str(address)
        if address.version == 6:
            if address.ipv4_mapped is not None:
                address = address.ipv4_mapped
                known = str(address)
            else:
                known = str(ip_network((address, _IPV6_CLIENT_BITS), strict=False))
        if not any(address in network for network in proxies):
            break
    return known
