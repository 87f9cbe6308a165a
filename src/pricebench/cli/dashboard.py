"""`pricebench dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import ArtifactsOption, ReportsOption


def dashboard(
    *,
    reports: ReportsOption = Path("reports"),
    artifacts: ArtifactsOption = Path("artifacts"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this machine's own address, 127.0.0.1.")] = 8501,
) -> None:
    """Show the stored runs and the trained model in a browser, until Ctrl-C."""
    from pricebench.dashboard.server import serve
    from pricebench.dashboard.settings import Settings

    serve(Settings(reports=reports, artifacts=artifacts), port=port)
