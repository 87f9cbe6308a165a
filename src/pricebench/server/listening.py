"""The port that the server owns: on this machine alone by default, on another address only with a token or asked to."""

from __future__ import annotations

import ipaddress
import socket
import sys

from pricebench.errors import PricebenchError
from pricebench.server.settings import Settings

_BACKLOG = 1024


class ServeError(PricebenchError):
    """The server cannot start."""


def listen(settings: Settings) -> socket.socket:
    """A socket that listens.

    Raises:
        ServeError: The address is unknown or taken, or is not this machine's own and needs a token.
    """
    if sys.platform != "linux":
        raise ServeError(f"expected Linux, found {sys.platform}: workers are handed connections in a way of its own.")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ServeError(
            f"expected an address to listen on, found --host {settings.host}: {error.strerror}."
        ) from error
    if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback and not (
        settings.token or settings.insecure
    ):
        raise ServeError(
            f"{settings.host} can be asked from elsewhere, so a token is needed: give --token-file FILE, or say "
            "--insecure."
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        found = str(error.strerror).lower()
        raise ServeError(
            f"expected port {settings.port} of {settings.host} to be free, found: {found}. Give another with --port."
        ) from error
    listener.listen(_BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - its only parameter
    return listener
