"""The command line: which commands there are. They live in `portal.commands`, by subject.

Exit codes: 0 fine, 1 problems found, 2 wrong use.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from portal import __version__
from portal.commands import building, curating, using
from portal.commands.common import messages, output, show_error
from portal.commands.importing import imports
from portal.errors import PortalError

__all__ = ["app", "main"]

CURATE, BUILD, USE = "Curate", "Build and publish", "Use"

# in the order of `portal --help`
COMMANDS = {
    CURATE: (
        curating.init,
        curating.scan,
        curating.add,
        curating.check,
        curating.terms,
        curating.attrs,
        curating.schema,
    ),
    BUILD: (
        building.build,
        building.publish,
        building.watch,
        building.compare,
        building.rehearse,
        building.serve,
    ),
    USE: (using.describe, using.lineage, using.cache),
}

app = typer.Typer(
    name="portal",
    help="A static, searchable data portal for SpatialData .zarr artifacts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(imports, name="import", rich_help_panel=CURATE)


def main() -> None:
    """Run the command line; every fault that we know of ends with a message, not a trace."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        sys.exit(130)
    except PortalError as e:
        show_error(e)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        messages.print("Stopped.")
        sys.exit(130)
    except Exception as e:
        # click's own complaints about options carry their exit code and a way to show themselves
        show = getattr(e, "show", None)
        if show is None or not hasattr(e, "exit_code"):
            raise
        show()
        sys.exit(2)


def _version(show: bool) -> None:
    if show:
        output.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
