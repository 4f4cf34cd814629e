"""Artifacts → sets to train and to test on that share no donor: `split(artifacts, by=...)`.

Groups go whole to one side. Which side depends on a hash of the seed and the group alone, so that
the same cohort is split alike on every machine, in whatever order it comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from portal.errors import UsageError, did_you_mean
from portal.record import UNKNOWN

if TYPE_CHECKING:
    from portal.client.artifact import Artifact

__all__ = ["split"]


def split(
    artifacts: Iterable[Artifact],
    by: str,
    test: float = 0.2,
    seed: int = 0,
    *,
    unknown: Literal["error", "own"] = "error",
) -> tuple[list[Artifact], list[Artifact]]:
    """Artifacts to train on, and those to test on, which have no value of the column `by` in common.

    The test set has as close to the share `test` of the artifacts as whole groups allow, and each
    set at least one group. An artifact with several values joins their groups. Of artifacts whose
    value nobody knows it can't be told what they share: that is an error, unless `unknown="own"`
    makes each a group of its own. Raises UsageError.
    """
    chosen = list(artifacts)
    if not 0 < test < 1:
        raise UsageError("The share of the test set lies between 0 and 1.")
    groups = _groups(chosen, by, unknown)
    if len(groups) < 2:
        raise UsageError(f"All {len(chosen)} artifacts are one group by {by}: nothing to split.")
    wanted = test * len(chosen)
    picked: set[str] = set()
    taken = 0
    for name, members in sorted(groups.items(), key=lambda group: _rank(seed, group[0])):
        closer = abs(taken + len(members) - wanted) < abs(taken - wanted)
        if (closer or not picked) and len(picked) < len(groups) - 1:
            picked.add(name)
            taken += len(members)
    tested = {id(a) for name in picked for a in groups[name]}
    return [a for a in chosen if id(a) not in tested], [a for a in chosen if id(a) in tested]


def _rank(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}\0{group}".encode()).hexdigest()


def _groups(artifacts: list[Artifact], by: str, unknown: str) -> dict[str, list[Artifact]]:
    """By the least of its values, each group; those that share a value are one."""
    values = {a.id: _values(a, by) for a in artifacts}
    missing = [id_ for id_, known in values.items() if not known]
    if missing and unknown == "error":
        raise UsageError(
            f"{by} is unknown of {len(missing)} artifacts: {', '.join(missing[:10])}"
            f"{' and others' if len(missing) > 10 else ''}. Leave them out, or give "
            'unknown="own" to take each for a group of its own.'
        )
    leader: dict[str, str] = {}

    def lead(value: str) -> str:
        while leader.setdefault(value, value) != value:
            value = leader[value]
        return value

    for id_, known in values.items():
        first, *others = known or [f"\0{id_}"]
        for other in [first, *others]:
            one, two = sorted((lead(first), lead(other)))
            leader[two] = one
    groups: dict[str, list[Artifact]] = {}
    for a in artifacts:
        groups.setdefault(lead((values[a.id] or [f"\0{a.id}"])[0]), []).append(a)
    return groups


def _values(artifact: Artifact, by: str) -> list[str]:
    """What the row says in a column; several values of one are joined there by `; `."""
    if by not in artifact.row:
        raise UsageError(f"The catalog has no column {by!r}. {did_you_mean(by, artifact.row)}")
    value: Any = artifact.row[by]
    parts = value.split("; ") if isinstance(value, str) else value
    parts = parts if isinstance(parts, (list, tuple)) else [parts]
    return [str(p) for p in parts if p is not None and str(p).strip() not in ("", UNKNOWN)]
