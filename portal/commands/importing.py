"""Records of other collections → entries: `portal import spatialdata-db | lamin | croissant`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portal.commands.common import AsJson, messages, output, print_json

if TYPE_CHECKING:
    from portal.importing import Imported
    from portal.schema import Schema

__all__ = ["imports"]

imports = typer.Typer(help="Records of other collections become entries.", no_args_is_help=True)

Force = Annotated[bool, typer.Option("--force", help="Replace entries that say something else.")]


@imports.command("spatialdata-db")
def import_spatialdata_db(
    file: Annotated[Path, typer.Argument(help="The collection's records, JSON.")],
    out: Annotated[Path, typer.Option(help="Folder of the entries.")] = Path(
        "data_manifest/spatialdata-db"
    ),
    every: Annotated[
        bool, typer.Option("--all", help="Also records not uploaded, as announced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over the records of the scverse spatialdata-db collection."""
    from portal.importing import import_spatialdata_db as run

    schema = _schema_for(out, "spatialdata-db")
    _show_imported(run(file, out, schema, include_all=every), as_json)


@imports.command("lamin")
def import_lamin(
    file: Annotated[
        Path, typer.Argument(help="A data frame of artifacts, or tables of `lamin io exportdb`.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the entries.")] = Path("data_manifest/lamin"),
    address: Annotated[
        str, typer.Option(help="Where the stores lie: a pattern with {key}, {uid}, {suffix}.")
    ] = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Take over the artifacts of a LaminDB instance."""
    from portal.importing import import_lamin as run

    _show_imported(run(file, out, _schema_for(out), address=address, force=force), as_json)


@imports.command("croissant")
def import_croissant(
    file: Annotated[
        Path, typer.Argument(help="A Croissant record, a list of them, or a folder of files.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the entries.")] = Path(
        "data_manifest/croissant"
    ),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Take over data sets that are described in Croissant."""
    from portal.importing import import_croissant as run

    _show_imported(run(file, out, _schema_for(out), force=force), as_json)


def _schema_for(out: Path, default: str = "minimal") -> Schema:
    """The schema of the manifest that `out` lies in."""
    from portal.schema import load_schema

    folders = (out, *out.absolute().parents)
    own = next((p / "schema.yaml" for p in folders if (p / "schema.yaml").is_file()), None)
    return load_schema(own or default)


def _show_imported(imported: Imported, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "written": [str(p) for p in imported.written],
                "unchanged": [str(p) for p in imported.unchanged],
                "skipped": list(imported.skipped),
                "left": list(imported.left),
            }
        )
        return
    output.print(
        f"{len(imported.written)} entries written, {len(imported.unchanged)} unchanged, "
        f"{len(imported.skipped)} left out",
        highlight=False,
    )
    if imported.skipped:
        messages.print(f"Left out: {', '.join(imported.skipped)}", highlight=False, markup=False)
    for told in imported.left:
        messages.print(f"No place for {told}", highlight=False, markup=False)
