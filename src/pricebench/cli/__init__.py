"""The command line: parse, call one function, print what it returns. One file a command.

Heavy imports live inside the commands: `--help` is instant.
"""

from __future__ import annotations

import sys
import traceback

import typer

from pricebench.cli.cliff import cliff
from pricebench.cli.console import talk
from pricebench.cli.dashboard import dashboard
from pricebench.cli.export import export
from pricebench.cli.gate import gate, merge
from pricebench.cli.history import app as history
from pricebench.cli.init import init
from pricebench.cli.limits import limits
from pricebench.cli.modes import modes
from pricebench.cli.predict import predict
from pricebench.cli.profile import profile
from pricebench.cli.recommend import recommend
from pricebench.cli.serve import serve
from pricebench.cli.train import train
from pricebench.errors import ExitCode, PricebenchError
from pricebench.extras import explained

_MERGE = "gate merge"  # `gate` takes a suite, so it cannot be a group with commands of its own

app = typer.Typer(
    name="pricebench",
    help="Which PyTorch execution mode should I ship? A house price model and the laboratory that measures it.",
    epilog="Exit codes: 0 fine, 1 a regression, 2 bad input or environment, 3 inconclusive, 4 broken, 130 Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (init, recommend, train, predict, serve, modes, export, cliff, limits, profile, gate, dashboard):
    app.command()(command)
app.command(_MERGE)(merge)
app.add_typer(history, name="history")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a known error becomes one line and its exit code.

    What nobody foresaw keeps its traceback and exits with 2: Python's own 1 would say that something got slower.

    Args:
        arguments: Without the program's name; by default those of the process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if " ".join(words[:2]) == _MERGE:
        # Only right behind `gate`: in `gate --base main -- merge` it is a folder.
        words = [_MERGE, *words[2:]]
    try:
        app(words, prog_name="pricebench")
    except PricebenchError as error:
        talk.print(f"pricebench: {error}", markup=False)
        sys.exit(error.exit_code)
    except OSError as error:
        talk.print(f"pricebench: {error.filename or 'a file'}: {error.strerror or error}.", markup=False)
        sys.exit(ExitCode.BAD_INPUT)
    except ModuleNotFoundError as error:
        told = explained(error, needed_by=_command(words))
        if told:
            talk.print(f"pricebench: {told}", markup=False)
        else:
            traceback.print_exc()
        sys.exit(ExitCode.BAD_INPUT)
    except Exception:
        traceback.print_exc()
        sys.exit(ExitCode.BAD_INPUT)


def _command(words: list[str]) -> str:
    """The command's name as it was typed."""
    return next((word for word in words if not word.startswith("-")), "pricebench")
