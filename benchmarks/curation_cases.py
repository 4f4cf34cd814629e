"""One good object, and what goes wrong with such objects: what is done to each, and what a right
answer is.

Plain Python that runs in both environments, ours and the peer's; nothing here knows either. The
object is the example that LaminDB documents its curator with, built the same way for both: the
blobs of spatialdata, a diagnosis and a stage of life in `attrs["bio"]`, an assay in
`attrs["tech"]`, and a column `sample_region` in the obs of its table.
"""

from __future__ import annotations

import gc
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["CASES", "SCHEMA", "Answer", "Case", "Row", "build", "measure"]

SCHEMA = """\
name: blobs
slots:
  attrs:bio:
    fields:
      disease: {type: term, ontology: [MONDO, "PATO:0000461"], required: true, many: true}
      developmental_stage: {type: term, ontology: [HsapDv], required: true}
  attrs:tech:
    fields:
      assay: {type: term, ontology: [EFO], required: true}
  tables:table:obs:
    fields:
      sample_region: {type: text, required: true}
"""
DISEASE, STAGE, ASSAY = "Alzheimer disease", "adult stage", "Visium Spatial Gene Expression"


def build() -> Any:
    """The good object."""
    import pandas as pd
    from spatialdata.datasets import blobs

    sdata = blobs(length=64)
    sdata.attrs["bio"] = {"disease": DISEASE, "developmental_stage": STAGE}
    sdata.attrs["tech"] = {"assay": ASSAY}
    obs = sdata.tables["table"].obs
    regions = [f"sample region {1 + 2 * i // len(obs)}" for i in range(len(obs))]
    obs["sample_region"] = pd.Categorical(regions)
    return sdata


@dataclass(frozen=True)
class Case:
    """One input. `says` and `offers` are regular expressions on all that the answer tells."""

    name: str
    change: Callable[[Any], object]
    valid: bool | None
    """The right verdict; None where both are, as long as the words are there."""
    says: tuple[str, ...] = ()
    """What a right answer must tell, each of them."""
    faults: int = 0
    """How many there are, for one that is not valid."""
    offers: str = ""
    """The value to write instead, where there is one."""
    lists: bool = False
    """A list is written where the schema allows one."""


@dataclass
class Answer:
    """What a curator said."""

    valid: bool
    faults: int = 0
    text: str = ""
    refusal: str = ""
    """Class of the exception by which it said no, where it does so."""
    then: Callable[[], bool] | None = None
    """Does what the answer says to do, and gives the verdict after that."""


@dataclass(frozen=True)
class Row:
    """A case with its answer, judged."""

    case: str
    answer: str
    """valid, invalid, or crash."""
    verdict: bool
    """Whether that is right."""
    said: bool
    """Whether it told all that a right answer must tell."""
    right: bool
    """Both."""
    faults: int
    offered: bool | None
    """Whether it told the value to write instead; None where there is none."""
    then: str
    """Its answer after what it told to do was done, where it told something."""
    then_right: bool
    """Right, or right after that."""
    exception: str
    text: str
    ms: float


def _bio(**values: object) -> Callable[[Any], object]:
    return lambda sdata: sdata.attrs["bio"].update(values)


def _tech(**values: object) -> Callable[[Any], object]:
    return lambda sdata: sdata.attrs["tech"].update(values)


def _all(*changes: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda sdata: [change(sdata) for change in changes]


def _no_region(sdata: Any) -> None:
    sdata.tables["table"].obs.drop(columns="sample_region", inplace=True)


# As a value with a blank at its end is not: quoted, that would end in a blank and a quote.
_TIDY = DISEASE + r"(?! ['\"’”»\]])"

CASES = (
    Case("all good", lambda sdata: None, True),
    Case(
        "typo in assay",
        _tech(assay="Visium Spatial Gene Expresion"),
        False,
        says=("assay", "Expresion"),
        faults=1,
        offers=ASSAY,
    ),
    Case("synonym in assay", _tech(assay="Visium"), True, says=(ASSAY,), offers=ASSAY),
    Case("ontology id as assay", _tech(assay="EFO:0010961"), True, offers=ASSAY),
    Case("wrong case", _bio(disease="alzheimer disease"), True, says=(DISEASE,), offers=DISEASE),
    Case(
        "typo in disease",
        _bio(disease="Alzheimers diseese"),
        False,
        says=("disease", "Alzheimers diseese"),
        faults=1,
        offers=r"Alzheimer(s|'s)? disease",
    ),
    Case(
        "2 slots, 3 fields at once",
        _all(
            _bio(disease="no such disease", developmental_stage="no such stage"),
            _tech(assay="no such assay"),
        ),
        False,
        says=("no such disease", "no such stage", "no such assay"),
        faults=3,
    ),
    Case(
        "obsolete disease",
        _bio(disease="obsolete Alzheimer disease 5"),
        None,
        says=(r"MONDO:0011194|(?<!obsolete )Alzheimer disease 5",),
        offers=r"MONDO:0011194|(?<!obsolete )Alzheimer disease 5",
    ),
    Case("normal (PATO) as disease", _bio(disease="normal"), True),
    Case(
        "no disease",
        lambda sdata: sdata.attrs["bio"].pop("disease"),
        False,
        says=("disease",),
        faults=1,
    ),
    Case("no slot bio", lambda sdata: sdata.attrs.pop("bio"), False, says=("bio",), faults=1),
    Case("None as disease", _bio(disease=None), False, says=("disease",), faults=1),
    Case("two diseases in a list", _bio(disease=[DISEASE, "lung cancer"]), True, lists=True),
    Case(
        "tissue as disease",
        _bio(disease="lung"),
        False,
        says=("disease", "lung", r"(?i)tissue|anatom|UBERON"),
        faults=1,
    ),
    Case("one key more", _bio(favourite_colour="blue"), True),
    Case(
        "no-break space inside",
        _bio(disease=DISEASE.replace(" ", "\u00a0")),
        True,
        says=(DISEASE,),
        offers=DISEASE,
    ),
    Case("blank at the end", _bio(disease=f"{DISEASE} "), True, says=(_TIDY,), offers=_TIDY),
    Case("number as assay", _tech(assay=5), False, says=("assay",), faults=1),
    Case("no column sample_region", _no_region, False, says=("sample_region",), faults=1),
    Case(
        "4 of these at once",
        _all(
            lambda sdata: sdata.attrs["bio"].pop("developmental_stage"),
            _bio(disease="lung"),
            _tech(assay="Visium Spatial Gene Expresion"),
            _no_region,
        ),
        False,
        says=("developmental_stage", "lung", "Expresion", "sample_region"),
        faults=4,
        offers=ASSAY,
    ),
)


def measure(curate: Callable[[Any, bool], Answer], runs: int) -> list[dict[str, Any]]:
    """Every case, judged. Its time is the median of `runs`; the object is made anew for each.

    `curate` takes an object, and whether the schema that has lists is meant.
    """
    return [asdict(_row(curate, case, runs)) for case in CASES]


def _row(curate: Callable[[Any, bool], Answer], case: Case, runs: int) -> Row:
    times: list[float] = []
    answer: Answer | Exception = Answer(False)
    for _ in range(runs):
        sdata = build()
        case.change(sdata)
        gc.collect()
        start = time.perf_counter()
        try:
            answer = curate(sdata, case.lists)
        except Exception as error:  # that a curator breaks is what some cases look for
            answer = error
        times.append((time.perf_counter() - start) * 1000)
    return _judge(case, answer, statistics.median(times))


def _judge(case: Case, answer: Answer | Exception, ms: float) -> Row:
    crash = isinstance(answer, Exception)
    if isinstance(answer, Exception):
        exception, then = type(answer).__name__, None
        answer = Answer(False, text=f"{exception}: {answer}")
    else:
        exception, then = answer.refusal, answer.then
    verdict = not crash and case.valid in (answer.valid, None)
    said = all(re.search(words, answer.text) for words in case.says)
    second = None if then is None else then()
    return Row(
        case=case.name,
        answer="crash" if crash else _WORDS[answer.valid],
        verdict=verdict,
        said=said,
        right=verdict and said,
        faults=answer.faults,
        offered=bool(re.search(case.offers, answer.text)) if case.offers else None,
        then="" if second is None else _WORDS[second],
        then_right=said and (verdict or (second is not None and second == case.valid)),
        exception=exception,
        text=answer.text,
        ms=ms,
    )


_WORDS = {True: "valid", False: "invalid"}
