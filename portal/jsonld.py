"""schema.org Dataset, for search engines of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from portal.config import SiteConfig
from portal.entry import Collection
from portal.record import UNKNOWN, Record
from portal.schema import Schema
from portal.words import web_address

__all__ = ["dataset", "script"]

# What a field can tell of a Dataset in schema.org's words, beside what the portal says itself.
_OURS = ("name", "description", "identifier", "license", "creator", "url", "distribution")


def dataset(
    record: Record,
    config: SiteConfig,
    collections: Mapping[str, Collection],
    description: str,
    schema: Schema,
) -> dict[str, Any]:
    """The artifact as a schema.org Dataset; what is not known is left out.

    The fields of the schema that name a property of schema.org give its values.
    """
    base = config.base_url
    page = f"{base}datasets/{record.id}/"
    citation = record.citation
    authors = citation.csl.get("author", []) if citation else []
    publisher = citation.csl.get("publisher") if citation else None
    found = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": page if base else None,
        "url": page if base else None,
        "name": record.title,
        # search engines want 50 characters at least
        "description": (record.description or description)[:5000],
        "identifier": _identifiers(record),
        "license": (web_address(record.license.url) or record.license.label)
        if record.license
        else None,
        "creator": [_person(a) for a in authors if isinstance(a, dict)],
        "publisher": {"@type": "Organization", "name": publisher} if publisher else None,
        "citation": citation.text if citation else None,
        "datePublished": record.published,
        "version": record.versions[-1].version if record.versions else None,
        **_of_schema(record, schema),
        "isPartOf": [
            {"@type": "Dataset", "name": collections[c].name, "description": collections[c].name}
            for c in record.collections
            if c in collections
        ],
        "includedInDataCatalog": {
            "@type": "DataCatalog",
            "name": config.title,
            **({"url": base} if base else {}),
        },
        "distribution": _distribution(record, base),
        "isAccessibleForFree": True if record.status == "public" else None,
        "sameAs": web_address(record.page),
    }
    return {key: value for key, value in found.items() if value not in (None, [], "")}


def script(data: Mapping[str, Any], dumps: Any) -> Markup:
    """A data block; `dumps` writes JSON that can't end the script element."""
    return Markup(f'<script type="application/ld+json">{dumps(data)}</script>')


def _identifiers(record: Record) -> list[str]:
    doi = record.citation.doi if record.citation else None
    return [record.id, *([f"https://doi.org/{doi}"] if doi else [])]


def _person(author: Mapping[str, Any]) -> dict[str, Any]:
    name = author.get("literal") or " ".join(
        str(author[k]) for k in ("given", "family") if author.get(k)
    )
    return {"@type": "Organization" if author.get("literal") else "Person", "name": name}


def _of_schema(record: Record, schema: Schema) -> dict[str, list[str]]:
    """Property of schema.org to the labels of the fields that tell it."""
    told: dict[str, list[str]] = {}
    for name, field in schema.fields.items():
        if field.schema_org and field.schema_org not in _OURS:
            labels = [label for label in record.labels(name) if label != UNKNOWN]
            told.setdefault(field.schema_org, []).extend(labels)
    return {name: list(dict.fromkeys(labels)) for name, labels in told.items()}


def _distribution(record: Record, base: str) -> list[dict[str, Any]]:
    if record.status in ("withdrawn", "announced"):
        return []
    items = []
    if address := web_address(record.url):
        items.append(_download(address, "application/vnd.zarr"))
    if base and record.products.copy_:
        items.append(_download(base + record.products.copy_.files_json, "application/json"))
    if base:
        items.append(_download(f"{base}datasets/{record.id}/artifact.json", "application/json"))
    return items


def _download(address: str, kind: str) -> dict[str, Any]:
    return {"@type": "DataDownload", "contentUrl": address, "encodingFormat": kind}
