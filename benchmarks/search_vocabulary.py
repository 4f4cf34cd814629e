"""Words and terms for made catalogs: real terms with their ancestors, made words and surnames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from portal.ontology import Ontology, load_ontology

__all__ = ["Term", "made_words", "surnames", "vocabularies"]


@dataclass(frozen=True)
class Term:
    """A term of a facet; `parents` are places in the list that it stands in."""

    label: str
    id: str | None = None
    synonyms: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    shown: bool = True


# What artifacts are most often about; the rest is drawn from the whole ontology.
_KNOWN = {
    "assay": "Xenium; 10x Xenium; Visium Spatial Gene Expression; Visium HD; MERSCOPE; MERFISH;"
    " CosMx; GeoMx; Slide-seqV2; Slide-seq; Stereo-seq; STARmap; seqFISH; seqFISH+; osmFISH;"
    " CODEX; CyCIF; MIBI; imaging mass cytometry; DBiT-seq; Seq-Scope; Open-ST; HDST;"
    " spatial transcriptomics; 10x 3' v3; 10x 5' v2; 10x multiome; Smart-seq2; 4i; MALDI",
    "organism": "Homo sapiens; Mus musculus; Rattus norvegicus; Danio rerio; Macaca mulatta;"
    " Drosophila melanogaster; Sus scrofa; Gallus gallus",
    "tissue": "lung; brain; kidney; liver; heart; breast; colon; small intestine; skin of body;"
    " spleen; thymus; lymph node; tonsil; bone marrow; blood; pancreas; stomach; ovary; uterus;"
    " placenta; testis; prostate gland; thyroid gland; adrenal gland; cerebellum; hypothalamus;"
    " cerebral cortex; prefrontal cortex; hippocampal formation; dentate gyrus; thalamus;"
    " amygdala; substantia nigra; spinal cord; retina; olfactory bulb; trachea; bronchus;"
    " esophagus; duodenum; jejunum; ileum; rectum; caecum; cortex of kidney; renal medulla;"
    " urinary bladder; skeletal muscle tissue; bone element; adipose tissue; heart left ventricle;"
    " right cardiac atrium; aorta; nasal cavity; tongue; embryo; gallbladder; fallopian tube;"
    " endometrium; dermis; epidermis; islet of Langerhans; upper lobe of left lung; striatum",
    "disease": "normal; lung adenocarcinoma; breast cancer; invasive ductal breast carcinoma;"
    " glioblastoma; melanoma; colorectal cancer; colorectal adenocarcinoma; ovarian cancer;"
    " hepatocellular carcinoma; prostate cancer; renal cell carcinoma; pancreatic ductal"
    " adenocarcinoma; COVID-19; Alzheimer disease; Parkinson disease; multiple sclerosis;"
    " pulmonary fibrosis; idiopathic pulmonary fibrosis; Crohn disease; ulcerative colitis;"
    " psoriasis; myocardial infarction; chronic kidney disease; type 2 diabetes mellitus;"
    " tuberculosis; follicular lymphoma; Hodgkins lymphoma; asthma; cirrhosis of liver;"
    " endometriosis; cervical cancer; gastric cancer; neuroblastoma; medulloblastoma",
    "cell_type": "T cell; CD4-positive, alpha-beta T cell; CD8-positive, alpha-beta T cell;"
    " regulatory T cell; B cell; plasma cell; natural killer cell; macrophage; monocyte;"
    " dendritic cell; neutrophil; mast cell; fibroblast; pericyte; endothelial cell;"
    " endothelial cell of lymphatic vessel; smooth muscle cell; epithelial cell; basal cell;"
    " goblet cell; enterocyte; hepatocyte; keratinocyte; podocyte; melanocyte; adipocyte;"
    " neuron; GABAergic neuron; glutamatergic neuron; astrocyte; oligodendrocyte; microglial cell;"
    " oligodendrocyte precursor cell; Schwann cell; cardiac muscle cell; club cell;"
    " pulmonary alveolar type 1 cell; pulmonary alveolar type 2 cell; ciliated cell;"
    " alveolar macrophage; erythrocyte; platelet; luminal epithelial cell of mammary gland",
    "development_stage": "adult stage; embryonic stage; prenatal stage; fetal stage",
}
_LABELS = {
    "technology": "Technology",
    "assay": "Assay",
    "organism": "Organism",
    "tissue": "Tissue",
    "disease": "Disease",
    "cell_type": "Cell type",
    "development_stage": "Development stage",
}
_DRAWN = {  # how many more, of which ontologies, below which term
    "tissue": (260, ("UBERON",), "UBERON:0000062"),
    "disease": (220, ("MONDO",), "MONDO:0700096"),
    "cell_type": (280, ("CL",), "CL:0000000"),
    "development_stage": (60, ("HsapDv", "MmusDv"), ""),
    "assay": (14, ("EFO",), ""),
}
_TECHNOLOGIES = (
    "Xenium",
    "Visium",
    "Visium HD",
    "MERSCOPE",
    "CosMx",
    "GeoMx",
    "Stereo-seq",
    "Slide-seq",
    "CODEX",
    "MIBI",
    "IMC",
    "CyCIF",
    "seqFISH",
    "in-house",
)


@cache
def vocabularies() -> dict[str, tuple[str, list[Term], int]]:
    """Label and terms of each facet that has a vocabulary, and how many of them rows name.

    The most common come first, then those that are drawn, then ancestors, which no row names.
    """
    ontology = load_ontology()
    rng = np.random.default_rng(11)
    made = {
        "technology": (_LABELS["technology"], [Term(t) for t in _TECHNOLOGIES], len(_TECHNOLOGIES))
    }
    for name, known in _KNOWN.items():
        ids = _named(ontology, known.split(";"))
        if name in _DRAWN:
            many, prefixes, below = _DRAWN[name]
            fit = [i for i in ontology if i not in ids and _fit(ontology, i, prefixes, below)]
            chosen = rng.choice(len(fit), min(many, len(fit)), replace=False)
            ids += [fit[i] for i in chosen.tolist()]
        made[name] = (_LABELS[name], _with_ancestors(ontology, ids), len(ids))
    return made


def _named(ontology: Ontology, names: Iterable[str]) -> list[str]:
    found = {}
    for name in names:
        for term in ontology.find(name.strip())[:1]:
            found[term.id] = True
    return list(found)


def _fit(ontology: Ontology, id_: str, prefixes: Sequence[str], below: str) -> bool:
    """A current term of one of the ontologies, with a name that fits on a card."""
    if id_.partition(":")[0] not in prefixes:
        return False
    term = ontology.term(id_)
    return bool(
        term
        and not term.deprecated
        and not term.upper
        and len(term.label) <= 48
        and (not below or _is_below(ontology, id_, below))
    )


@cache
def _is_below(ontology: Ontology, id_: str, above: str) -> bool:
    term = ontology.term(id_)
    return term is not None and (
        above in term.parents or any(_is_below(ontology, p, above) for p in term.parents)
    )


def _with_ancestors(ontology: Ontology, ids: Sequence[str]) -> list[Term]:
    order = list(dict.fromkeys(ids))
    for id_ in order:  # grows while it is walked
        order += [p for p in ontology.parents(id_) if p not in set(order)]
    place = {id_: i for i, id_ in enumerate(order)}
    terms, labels = [], set()
    for id_ in order:
        term = ontology.term(id_)
        assert term is not None
        label = term.label if term.label.casefold() not in labels else f"{term.label} ({id_})"
        labels.add(label.casefold())
        parents = tuple(place[p] for p in ontology.parents(id_))
        terms.append(Term(label, id_, term.synonyms, parents))
    return terms


_FIRST = (
    "the of and in with to a for from by spatial cells tissue human on gene expression section"
    " data sample at cell transcriptomics samples imaging profiling analysis single resolution"
    " mouse tumour panel donor atlas cancer immune microenvironment regions across neighbourhoods"
    " stromal epithelial infiltration niche segmentation transcripts multiplexed cohort clinical"
    " treatment response developmental lineage trajectory ligand receptor vascular endothelial"
    " airway alveolar cortical cortex fibrosis inflammation hypoxia metastasis pulmonary renal"
    " hepatic cardiac cerebral gastric dermal ovarian pancreatic intestinal lymphatic"
)
_STARTS = "b br c ch cl d dr f fl g gr h j k l m n p ph pl pr r s sc sp st t th tr v w z"
_ENDS = "a e i o u an al ar en er es in ic ine ion is on or ose ous um us y"
_MIDDLES = "a e i o u al an ar el en er il im in on op or ul un y"


@cache
def made_words(n: int) -> list[str]:
    """`n` words, the most frequent first: those of the field, then made ones."""
    rng = np.random.default_rng(3)
    words: dict[str, None] = dict.fromkeys(_FIRST.split())
    while len(words) < n:
        for syllables in rng.choice(3, 2_000, p=(0.45, 0.4, 0.15)).tolist():
            starts = _drawn(rng, _STARTS, syllables)
            middles = _drawn(rng, _MIDDLES, syllables)
            body = "".join(s + m for s, m in zip(starts, middles, strict=True))
            words.setdefault(body + _drawn(rng, _STARTS, 1)[0] + _drawn(rng, _ENDS, 1)[0], None)
    return list(words)[:n]


def _drawn(rng: np.random.Generator, text: str, many: int) -> list[str]:
    pieces = text.split()
    weight = 1 / np.arange(3, len(pieces) + 3)
    return [pieces[i] for i in rng.choice(len(pieces), many, p=weight / weight.sum())]


@cache
def surnames() -> list[str]:
    """Ten thousand."""
    return [w.capitalize() for w in made_words(14_000)[4_000:]]
