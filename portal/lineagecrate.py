"""Derivations ↔ the document of an RO-Crate. Two verbs: `crate_document`, `derivations_in`.

The crate is an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) by the profile Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5): one CreateAction a thing that was made, with its inputs
and parameters as `object`, the code as `instrument` and the thing as `result`. The same relations
stand there in the words of PROV-O (https://www.w3.org/TR/prov-o/): `used`, `wasGeneratedBy`,
`wasDerivedFrom`. Writing needs the library `rocrate`; reading needs nothing, and takes crates of
other writers too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from portal import __version__
from portal.derivation import Code, Derivation, Environment, Parameter, Thing
from portal.errors import PortalError

if TYPE_CHECKING:
    from rocrate.model.entity import Entity

__all__ = ["crate_document", "derivations_in", "is_ours"]

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = {
    "prov": "http://www.w3.org/ns/prov#",
    "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
}
_WRITER = "#spatialdata-portal"
_FINGERPRINT = "fingerprint"
_CHANGED = "changes that are in no commit"


def crate_document(derivations: Sequence[Derivation]) -> dict[str, Any]:
    """The JSON-LD of a folder's crate. Raises PortalError where `rocrate` is missing."""
    try:
        return _Writer(derivations).document()
    except ImportError:
        raise PortalError("Writing lineage needs `rocrate`: pip install rocrate.") from None


def is_ours(document: Any) -> bool:
    """Whether `crate_document` made it, so that it may be written anew."""
    return _WRITER in _entities(document)


class _Writer:
    """One crate on its way to a document."""

    def __init__(self, derivations: Sequence[Derivation]):
        from rocrate.rocrate import ROCrate

        self.derivations = derivations
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_terms.update(_TERMS)

    def document(self) -> dict[str, Any]:
        root = self.crate.root_dataset
        names = ", ".join(d.output.name for d in self.derivations)
        root["name"] = f"Lineage of {names}"
        root["description"] = f"From what, by which code and when {names} came to be."
        root["license"] = "Not stated here: the inputs have licences of their own."
        ended = [d.ended for d in self.derivations if d.ended]
        root["datePublished"] = max(ended).isoformat() if ended else "1970-01-01"
        root["conformsTo"] = self.add(
            _PROFILE, "CreativeWork", name="Process Run Crate", version="0.5"
        )
        self.add(_WRITER, "SoftwareApplication", name="spatialdata-portal", version=__version__)
        root["mentions"] = [self.action(d) for d in self.derivations]
        return self.crate.metadata.generate()

    def add(self, id_: str, kind: str | list[str], **told: Any) -> Entity:
        """An entity with what is known of it; one that is there already stays."""
        from rocrate.model import ContextEntity

        known: Entity | None = self.crate.get(id_)
        if known is None:
            properties = {k: v for k, v in told.items() if v is not None}
            known = ContextEntity(self.crate, id_, {"@type": kind, **properties})
            self.crate.add(known)
        return known

    def value(self, id_: str, name: str, value: Parameter | None) -> Entity | None:
        """A named value; None for none."""
        return None if value is None else self.add(id_, "PropertyValue", name=name, value=value)

    def told(self, thing: Thing, here: str) -> dict[str, Any]:
        return {
            "name": thing.name,
            "identifier": thing.artifact,
            "version": thing.version,
            "url": thing.address,
            "sha256": thing.sha256,
            "contentSize": None if thing.bytes is None else str(thing.bytes),
            "additionalProperty": self.value(
                f"{here}/fingerprint", _FINGERPRINT, thing.fingerprint
            ),
        }

    def action(self, derivation: Derivation) -> Entity:
        """The making of one thing, and all that it names."""
        here = f"#{quote(derivation.output.name, safe='')}"
        inputs = [
            self.add(at, "File" if thing.sha256 else "Dataset", **self.told(thing, at))
            for n, thing in enumerate(derivation.inputs, 1)
            for at in [f"{here}/input/{n}"]
        ]
        parameters = [
            self.value(f"{here}/parameter/{quote(name, safe='')}", name, value)
            for name, value in derivation.parameters.items()
        ]
        output = self.output(derivation.output, here)
        action = self.add(
            f"{here}/run",
            "CreateAction",
            name=f"Making of {derivation.output.name}",
            description=f"Made {derivation.output.name} from what `object` lists.",
            instrument=self.instrument(derivation, here),
            object=[*inputs, *parameters],
            result=output,
            startTime=derivation.started and derivation.started.isoformat(),
            endTime=derivation.ended and derivation.ended.isoformat(),
            actionStatus="http://schema.org/CompletedActionStatus",
            **{"prov:used": inputs},
        )
        output["prov:wasGeneratedBy"] = action
        output["prov:wasDerivedFrom"] = inputs
        return action

    def output(self, thing: Thing, here: str) -> Entity:
        from rocrate.model import Dataset, File

        kind = Dataset if thing.sha256 is None else File
        told = {k: v for k, v in self.told(thing, here).items() if v is not None}
        entity = kind(self.crate, dest_path=thing.name, properties=told)
        self.crate.add(entity)
        return entity

    def instrument(self, derivation: Derivation, here: str) -> Entity:
        """The code, and the environment that it ran in."""
        environment = derivation.environment
        code = derivation.code or Code(name=environment.python if environment else "unknown")
        packages = [
            self.add(
                f"pkg:pypi/{name}@{release}", "SoftwareApplication", name=name, version=release
            )
            for name, release in (environment.packages if environment else {}).items()
        ]
        is_script = code.sha256 is not None
        return self.add(
            f"{here}/code",
            ["SoftwareSourceCode", "SoftwareApplication"] if is_script else "SoftwareApplication",
            name=code.name,
            version=code.version,
            sha256=code.sha256,
            additionalProperty=self.value(f"{here}/changed", _CHANGED, code.changed or None),
            runtimePlatform=environment and environment.python,
            operatingSystem=environment and environment.platform,
            softwareRequirements=packages or None,
        )


Node = dict[str, Any]
"""An entity of a document: an object with `@id` and properties."""


def derivations_in(document: Any) -> tuple[Derivation, ...]:
    """What a crate says was made, in its order. Raises ValueError for values that are no such."""
    entities = _entities(document)
    found = []
    for action in entities.values():
        if "CreateAction" not in _texts(action, "@type"):
            continue
        objects = list(_followed(action, "object", entities))
        parameters = [o for o in objects if "PropertyValue" in _texts(o, "@type")]
        inputs = tuple(_thing(o, entities) for o in objects if o not in parameters)
        code, environment = _code(next(_followed(action, "instrument", entities), {}), entities)
        found += [
            Derivation(
                output=_thing(output, entities),
                inputs=inputs,
                parameters={_text(p, "name") or "": _value(p) for p in parameters},
                code=code,
                environment=environment,
                started=_text(action, "startTime"),  # type: ignore[arg-type] # pydantic reads it
                ended=_text(action, "endTime"),  # type: ignore[arg-type]
            )
            for output in _followed(action, "result", entities)
        ]
    return tuple(found)


def _entities(document: Any) -> dict[str, Node]:
    graph = document.get("@graph") if isinstance(document, dict) else None
    if not isinstance(graph, list):
        return {}
    return {e["@id"]: e for e in graph if isinstance(e, dict) and isinstance(e.get("@id"), str)}


def _all(node: Node, key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(node: Node, key: str) -> list[str]:
    return [v for v in _all(node, key) if isinstance(v, str)]


def _text(node: Node, key: str) -> str | None:
    return next(iter(_texts(node, key)), None)


def _followed(node: Node, key: str, entities: dict[str, Node]) -> Iterator[Node]:
    """The entities that a property leads to, or that stand in it."""
    for value in _all(node, key):
        if isinstance(value, dict):
            yield entities.get(value.get("@id", ""), value)


def _value(node: Node) -> Parameter:
    value = node.get("value", "")
    return value if isinstance(value, (str, bool, int, float)) else json.dumps(value)


def _values(node: Node, entities: dict[str, Node]) -> dict[str | None, Any]:
    return {
        _text(p, "name"): p.get("value") for p in _followed(node, "additionalProperty", entities)
    }


def _thing(node: Node, entities: dict[str, Node]) -> Thing:
    at, size = node.get("@id"), _text(node, "contentSize") or ""
    path = unquote(at.rstrip("/")) if isinstance(at, str) else ""
    return Thing(
        name=_text(node, "name") or path.rpartition("/")[2] or "unnamed",
        artifact=_text(node, "identifier"),
        version=_text(node, "version"),
        fingerprint=_values(node, entities).get(_FINGERPRINT),
        sha256=_text(node, "sha256"),
        bytes=int(size) if size.isdecimal() else None,
        address=_text(node, "url") or path,
    )


def _code(node: Node, entities: dict[str, Node]) -> tuple[Code | None, Environment | None]:
    name, python = _text(node, "name"), _text(node, "runtimePlatform")
    if name is None:
        return None, None
    environment = None
    if python is not None:
        environment = Environment(
            python=python,
            platform=_text(node, "operatingSystem") or "",
            packages={
                _text(p, "name") or "": _text(p, "version") or ""
                for p in _followed(node, "softwareRequirements", entities)
            },
        )
    if environment and name == environment.python:  # nobody knows which code ran
        return None, environment
    code = Code(
        name=name,
        version=_text(node, "version") or _text(node, "softwareVersion"),
        sha256=_text(node, "sha256"),
        changed=_values(node, entities).get(_CHANGED) is True,
    )
    return code, environment
