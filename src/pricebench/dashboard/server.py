"""Starting the dashboard's server, as `streamlit run` would, with settings that suit one person's machine."""

from __future__ import annotations

import errno
import socket
import threading
from importlib import import_module
from pathlib import Path

from pricebench.dashboard.settings import Settings
from pricebench.errors import PricebenchError

ADDRESS = "127.0.0.1"
PORT = 8501
_SCRIPT = Path(__file__).with_name("app.py")

# The same stand in .streamlit/config.toml for `streamlit run dashboard.py`; a test compares the two.
OPTIONS = {
    "server.address": ADDRESS,
    # A page elsewhere that points its own name at 127.0.0.1 is refused.
    "server.allowedHosts": ("localhost", ADDRESS),
    # Watching would walk through all of torch, and an installed package does not change under a running server.
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    # For light and for dark: set for both at once, they would end the choice between them. Streamlit's red looks like
    # an error, and a page starts with its title, on a telephone too.
    "theme.light.primaryColor": "#3f7fdd",
    "theme.dark.primaryColor": "#5b8ff0",
    "theme.light.paddingTop": "1rem",
    "theme.dark.paddingTop": "1rem",
}


class ServerError(PricebenchError):
    """The dashboard's server cannot start."""


def serve(settings: Settings, *, port: int = PORT) -> None:
    """Serve until Ctrl-C, on this machine's own address only.

    Raises:
        ServerError: The port is taken or not allowed.
    """
    _check_free(port)
    from streamlit.web import cli  # noqa: PLC0415 - half a second that a refused port does not need

    # The first page prices a house: torch is imported while the browser starts.
    threading.Thread(target=import_module, args=("pricebench.serving",), daemon=True).start()
    options = {**OPTIONS, "server.port": port}
    cli.main(
        ["run", str(_SCRIPT), *_flags(options), "--", *settings.arguments()],
        prog_name="streamlit",
        standalone_mode=False,
    )


def _flags(options: dict[str, object]) -> list[str]:
    flags = []
    for name, value in options.items():
        items = value if isinstance(value, tuple) else (value,)
        flags += [f"--{name}={str(item).lower() if isinstance(item, bool) else item}" for item in items]
    return flags


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        # As servers do, so that a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            found = "it is in use" if error.errno == errno.EADDRINUSE else str(error.strerror).lower()
            raise ServerError(f"expected port {port} to be free, found: {found}. Give another with --port.") from error
