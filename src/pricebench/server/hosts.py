"""Under which names a server may be asked: a page elsewhere can point a name of its own at this machine's address.

The browser then takes the server's answers for that page's own (DNS rebinding). It cannot change the Host field, which
says the name; so a server that asks for no token answers only to names that cannot be somebody else's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from pricebench.server.answers import RefusedError

_MOST_KNOWN = 64  # texts of the field: names with ports, in upper and lower case


class Hosts:
    """Checks each request."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names.

        Args:
            names: As `hosts_of` gives them; none for any.
        """
        self._names = frozenset(names)
        # The field as it was accepted before: a request costs a look into a set.
        self._known: set[bytes | None] = set()

    def require(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a request to another host.

        Raises:
            RefusedError: 421.
        """
        if not self._names:
            return
        host = headers.get(b"host")
        if host in self._known:
            return
        if host is None or _name(host) not in self._names:
            raise RefusedError(
                421, "expected a request to localhost, found another host. Start the server with --allowed-host NAME."
            )
        if len(self._known) < _MOST_KNOWN:
            self._known.add(host)


def hosts_of(address: str, *, host: str, allowed: Sequence[str], has_token: bool) -> tuple[str, ...]:
    """The names that requests may say; none for any.

    Args:
        address: That the server listens on.
        host: As it was asked for.
        allowed: Further names.
        has_token: Whether each request needs a token, which no page elsewhere has.

    >>> hosts_of("127.0.0.1", host="127.0.0.1", allowed=["prices.example"], has_token=False)
    ('localhost', '127.0.0.1', '::1', 'prices.example')
    """
    is_loopback = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    if has_token or not (is_loopback or allowed):
        return ()
    names = ("localhost", "127.0.0.1", "::1", host, *allowed)
    return tuple(dict.fromkeys(name.lower() for name in names))


def _name(host: bytes) -> str:
    """Without the port, and an IPv6 address without its brackets."""
    text = host.decode("ascii", "replace").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
