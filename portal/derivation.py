"""How one thing was made: the nouns of lineage.

`portal.lineage` writes them beside what was made and reads them again, `portal.lineagegraph` draws
them. Crates come from anywhere: texts are bounded, and an id or an address that can't be one is None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from portal.entry import ID, check_address

__all__ = ["Code", "Derivation", "Environment", "Parameter", "Thing"]

_MODELS = {".ckpt", ".joblib", ".onnx", ".pt", ".pth", ".safetensors"}


def _or_none(check: Callable[[str], Any]) -> BeforeValidator:
    """A value that `check` does not let pass becomes None."""

    def known(value: Any) -> Any:
        try:
            return value if isinstance(value, str) and check(value) else None
        except ValueError:
            return None

    return BeforeValidator(known)


Text = Annotated[str, Field(max_length=2000)]
Address = Annotated[Text | None, _or_none(check_address)]
ArtifactId = Annotated[Text | None, _or_none(ID.fullmatch)]
Parameter = Annotated[str, Field(max_length=20_000)] | bool | int | float


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Thing(_Part):
    """An artifact, a file or a folder: what something was made from, or what was made."""

    name: Text
    """Title of an artifact; name of a file or folder, without the folders above it."""
    artifact: ArtifactId = None
    """Id in its portal."""
    version: Text | None = None
    fingerprint: Text | None = None
    """Of a store, as the scan works it out."""
    sha256: Text | None = None
    """Of a file."""
    bytes: int | None = None
    address: Address = None
    """Of the artifact's page, else of the store."""

    @property
    def is_model(self) -> bool:
        """Whether it is a trained model, by the ending of its name."""
        return PurePosixPath(self.name).suffix in _MODELS


class Code(_Part):
    """What did the work: a script, or a program."""

    name: Text
    """Of a script: its path in its repository, or its file's name."""
    version: Text | None = None
    """The git commit of a script, the release of a program."""
    sha256: Text | None = None
    """Of a script."""
    changed: bool = False
    """Whether the script's repository had changes that are in no commit."""


class Environment(_Part):
    """Where the code ran."""

    python: Text
    platform: Text
    packages: dict[Text, Text] = {}
    """Version by name, of those that were loaded."""


class Derivation(_Part):
    """How one thing was made, and when."""

    output: Thing
    inputs: tuple[Thing, ...] = ()
    parameters: dict[Text, Parameter] = {}
    code: Code | None = None
    environment: Environment | None = None
    started: datetime | None = None
    ended: datetime | None = None
