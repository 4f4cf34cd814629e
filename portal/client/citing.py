"""Artifacts → what to cite: `cite(artifacts, style="bibtex")`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from portal.client.cohort import in_parallel
from portal.errors import UsageError, did_you_mean
from portal.record import CitationText

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = ["cite"]


def cite(artifacts: Iterable[Artifact], style: Literal["bibtex", "csl"] = "bibtex") -> str:
    """The citations of artifacts, each once, as BibTeX or as a list of CSL JSON.

    Those with the same DOI, or with the same words, are one. A warning names the artifacts that
    have none. Raises UsageError for a style that is neither.
    """
    if style not in ("bibtex", "csl"):
        raise UsageError(f"There is no style {style!r}. {did_you_mean(style, ('bibtex', 'csl'))}")
    chosen = list(artifacts)
    cited: dict[str, CitationText] = {}
    without = []
    for artifact, record in zip(chosen, in_parallel(lambda a: a.record, chosen), strict=True):
        if record.citation is None:
            without.append(artifact.id)
        else:
            cited.setdefault(_key(record.citation), record.citation)
    if without:
        warnings.warn(f"No citation is known of {', '.join(without)}.", stacklevel=2)
    if style == "csl":
        return json.dumps([c.csl for c in cited.values()], indent=1, ensure_ascii=False)
    return "\n\n".join(c.bibtex for c in cited.values())


def _key(citation: CitationText) -> str:
    """The same for two that cite the same."""
    if citation.doi:
        return citation.doi.casefold()
    return json.dumps({k: v for k, v in citation.csl.items() if k != "id"}, sort_keys=True)
