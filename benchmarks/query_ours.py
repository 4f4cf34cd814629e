"""Our side of `benchmarks.query`: what a user writes, one process a question."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.query_cases import FEATURES, LISTS, Answers, main


def start() -> Answers:
    """Import and open the site in the folder that `PORTAL_ASKED` names."""
    folder = Path(os.environ["PORTAL_ASKED"])
    import portal

    db = portal.open(folder / "site")

    return {
        "filter": lambda v: db.filter(tissue=v[0], assay=v[1]).to_dataframe(),
        "features": lambda v: db.filter(tissue=v[0], assay=v[1]).to_dataframe(),
        "search": lambda v: db.search(v).to_dataframe(),
        "describe": lambda v: db.get(v).describe(),
        "brain": lambda v: db.filter(tissue=v).to_dataframe(),
        "organ": lambda v: db.filter(tissue=v).to_dataframe(),
        "listing": lambda _: db.to_dataframe(),
        "rows": rows,
    }


def rows(frame: Any) -> dict[str, dict[str, Any]]:
    """The features of each artifact, by its id."""
    found = {}
    names = [name if name in frame else f"{name}_terms" for name in FEATURES]
    columns = [frame[name] for name in names]
    for id_, *values in zip(frame.index, *columns, strict=True):
        said = dict(zip(FEATURES, values, strict=True))
        found[id_] = {
            name: sorted(value) if name in LISTS else int(value) if name == "n_cells" else value
            for name, value in said.items()
        }
    return found


if __name__ == "__main__":
    main(start)
