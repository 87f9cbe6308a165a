"""`pricebench dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import ArtifactsOption, FromOption, ReportsOption


def dashboard(
    *,
    reports: ReportsOption = Path("reports"),
    runs_from: FromOption = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this machine's own address, 127.0.0.1.")] = 8501,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Of a running pricebench serve, which then answers on Predict.")
    ] = None,
    server_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Holds the token that it wants; or set PRICEBENCH_SERVER_TOKEN."),
    ] = None,
) -> None:
    """Show the stored runs and the trained model in a browser, until Ctrl-C."""
    from pricebench.dashboard.server import serve
    from pricebench.dashboard.settings import Settings

    settings = Settings(
        reports=reports,
        runs_from=runs_from,
        artifacts=artifacts,
        server=server,
        server_token_file=server_token_file,
    )
    if server is not None or server_token_file is not None:
        from pricebench.dashboard.price_server import price_server

        price_server(settings)  # what is wrong with its address or token is said here, not on a page
    serve(settings, port=port)
