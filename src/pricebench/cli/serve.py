"""`pricebench serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pricebench.cli.console import ArtifactsOption, DeviceOption, ExportedOption, seconds_of, talk


def serve(
    *,
    artifacts: ArtifactsOption = Path("artifacts"),
    mode: Annotated[str | None, typer.Option(help="Execution mode (default: eager, or that of the file).")] = None,
    exported: ExportedOption = None,
    device: DeviceOption = "cpu",
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8600,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer, each on a core of its own.")] = 1,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Of each worker for one batch.")] = 1,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds a token that each request must bring.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="That a request may ask for besides localhost, where there is no token."),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Answer other machines without a token.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Load a model that is trained anew, as SIGHUP does.")] = False,
    grace: Annotated[str, typer.Option(metavar="TIME", help="At the end, for requests that were begun.")] = "10s",
    hang_timeout: Annotated[
        str, typer.Option(metavar="TIME", help="Of a worker whose loop does not turn; it is replaced after it.")
    ] = "10s",
    log: Annotated[str | None, typer.Option(metavar="FILE", help="A line of JSON per request; - for stdout.")] = None,
    deadline: Annotated[str, typer.Option(metavar="TIME", help="For a price; 504 after it.")] = "2s",
    rows: Annotated[int, typer.Option(min=1, help="Most houses in a request; 413 for more.")] = 10_000,
    body: Annotated[
        int, typer.Option(min=1, metavar="BYTES", help="Most bytes of a request; 413 for more.")
    ] = 4_194_304,
    queue: Annotated[
        int, typer.Option(min=1, metavar="ROWS", help="Most houses that wait in a worker; 503 for more.")
    ] = 50_000,
    connections: Annotated[int, typer.Option(min=1, max=100_000, help="Most that are open; 503 for more.")] = 1_000,
    receive_timeout: Annotated[
        str, typer.Option(metavar="TIME", help="For a request to arrive, 408 after it; and for its answer to be taken.")
    ] = "10s",
    idle_timeout: Annotated[str, typer.Option(metavar="TIME", help="Of a connection without a request.")] = "75s",
    engine: Annotated[
        str, typer.Option(metavar="own|ray", help="own: workers of this machine; ray: replicas on a Ray cluster.")
    ] = "own",
    replicas: Annotated[str, typer.Option(metavar="N|N:M", help="Of --engine ray; a range grows with the load.")] = "1",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of the Ray cluster (default: one of this machine, that ends with it)."),
    ] = None,
) -> None:
    """Price houses over HTTP, until Ctrl-C or SIGTERM; SIGHUP loads the model anew.

    POST /v1/price; /docs tells the rest. docs/serving.md says how to deploy it.
    """
    from pricebench.extras import require

    for package in ("torch", "uvicorn", "httptools", "uvloop", "msgspec", "prometheus_client"):
        require(package, "serve")
    from pricebench.server.limits import Limits
    from pricebench.server.settings import Settings
    from pricebench.server.supervisor import Supervisor
    from pricebench.server.token_file import read_token

    settings = Settings(
        artifacts=artifacts,
        mode=mode or "",
        exported=exported,
        device=device,
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        token=read_token(token_file) if token_file else "",
        allowed_hosts=tuple(allowed_host or ()),
        insecure=insecure,
        hang_timeout=_seconds("--hang-timeout", hang_timeout),
        grace=_seconds("--grace", grace),
        watch=watch,
        log=log,
        limits=Limits(
            body_bytes=body,
            rows=rows,
            waiting_rows=max(rows, queue),
            deadline=_seconds("--deadline", deadline),
            connections=connections,
            receive_timeout=_seconds("--receive-timeout", receive_timeout),
            idle_timeout=_seconds("--idle-timeout", idle_timeout),
        ),
    )
    if engine == "ray":
        _refuse(workers=workers != 1, log=log is not None)
        from pricebench.scaling.deployment import Replicas, serve_until_told

        serve_until_told(settings, Replicas.parse(replicas), address, say=lambda words: talk.print(words, markup=False))
        return
    if engine != "own":
        raise typer.BadParameter(f"--engine is '{engine}', expected own or ray.")
    if replicas != "1" or address:
        raise typer.BadParameter("--replicas and --address are of --engine ray. Give that too, or --workers instead.")
    supervisor = Supervisor(settings, say=lambda words: talk.print(words, markup=False))
    talk.print(f"listening on {supervisor.url}", markup=False)
    sys.exit(supervisor.run())


def _refuse(**is_given: bool) -> None:
    for name, is_there in is_given.items():
        if is_there:
            raise typer.BadParameter(
                f"--{name.replace('_', '-')} is of --engine own. Leave it out: Ray has replicas, and logs of its own."
            )


def _seconds(option: str, text: str) -> float:
    seconds = seconds_of(option, text)
    if seconds is None:
        raise typer.BadParameter(f"{option} is '{text}', expected a time above 0.")
    return seconds
