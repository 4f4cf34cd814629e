"""Reads a YAML file into a pydantic model; every fault keeps its file and line.

YAML comes from people we do not know, so: libyaml's safe loader only, a size limit,
no aliases (they are how a few lines become gigabytes), no duplicate keys.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from portal.errors import Problem, did_you_mean

__all__ = ["read_yaml"]

Model = TypeVar("Model", bound=BaseModel)
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_BYTES = 1_000_000
MAX_DEPTH = 40
Loc = tuple[str | int, ...]


class _Faulty(Exception):
    def __init__(self, line: int, code: str, what: str, remedy: str = ""):
        self.line, self.code, self.what, self.remedy = line, code, what, remedy


def read_yaml(
    path: Path, model: type[Model], *, shown_as: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[Model | None, list[Problem], dict[Loc, int]]:
    """Read `path` as a `model`.

    Returns the model (None where it is not valid), all problems, and the line of each key,
    by its path in the document. `shown_as` is the file's name in messages.
    """
    name = shown_as or str(path)

    def problem(line: int, code: str, what: str, remedy: str = "") -> Problem:
        return Problem(
            code=code, severity="error", where=f"{name}:{line}", what=what, remedy=remedy
        )

    lines: dict[Loc, int] = {}
    try:
        size = path.stat().st_size
        if size > max_bytes:
            line, length = _longest_line(path)
            raise _Faulty(
                line,
                "file-too-large",
                f"The file has {size:,} bytes, more than the {max_bytes:,} allowed; "
                f"its longest line has {length:,}.",
                "Move long material out of the file and link to it.",
            )
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=Loader)
        data = {} if node is None else _construct(node, (), lines, set())
        if not isinstance(data, dict):
            raise _Faulty(1, "yaml-not-a-mapping", "The file must hold `key: value` lines.")
    except OSError as e:
        return None, [problem(1, "file-unreadable", f"Cannot be read: {e.strerror}.")], lines
    except UnicodeDecodeError as e:
        return None, [problem(1, "file-not-utf8", f"Not UTF-8 text: {e.reason}.")], lines
    except _Faulty as e:
        return None, [problem(e.line, e.code, e.what, e.remedy)], lines
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        what = " ".join(str(x) for x in (e.context, e.problem) if x)
        return None, [problem((mark.line + 1) if mark else 1, "yaml-syntax", what)], lines
    except (yaml.YAMLError, RecursionError) as e:
        return None, [problem(1, "yaml-syntax", str(e).splitlines()[0])], lines

    try:
        return model.model_validate(data), [], lines
    except ValidationError as e:
        problems = []
        for fault in e.errors(include_url=False):
            loc = tuple(x for x in fault["loc"])
            line = _line(loc, lines)
            if fault["type"] == "extra_forbidden":
                known = _known_keys(model, loc[:-1])
                what, remedy = f"Unknown key `{_dotted(loc)}`.", did_you_mean(str(loc[-1]), known)
                code = "unknown-key"
            elif fault["type"] == "missing":
                what, remedy = f"`{_dotted(loc)}` is missing.", "Add it."
                code = "missing-key"
            else:
                message = fault["msg"].removeprefix("Value error, ").rstrip(".")
                what, remedy, code = f"`{_dotted(loc)}`: {message}.", "", "invalid-value"
            problems.append(problem(line, code, what, remedy))
        return None, list(dict.fromkeys(problems)), lines


def _construct(node: yaml.Node, loc: Loc, lines: dict[Loc, int], seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(loc, line)
    if id(node) in seen:
        raise _Faulty(line, "yaml-alias", "YAML aliases (`*name`) are not allowed.", "Write out.")
    seen.add(id(node))
    if len(loc) > MAX_DEPTH:
        raise _Faulty(line, "yaml-too-deep", f"Nested more than {MAX_DEPTH} levels deep.")
    if not isinstance(node, yaml.ScalarNode) and not node.tag.endswith((":map", ":seq")):
        raise _tag_fault(node)
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            at = key_node.start_mark.line + 1
            if key is None:
                raise _Faulty(at, "yaml-key", "A key must be plain text.")
            if key in out:
                raise _Faulty(at, "duplicate-key", f"`{key}` is given twice.", "Keep one.")
            lines[(*loc, key)] = at
            out[key] = _construct(value_node, (*loc, key), lines, seen)
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_construct(n, (*loc, i), lines, seen) for i, n in enumerate(node.value)]
    construct = _SCALARS.get(node.tag)
    if construct is not None:
        try:
            value = construct(node)
        except ValueError:
            return node.value
        if isinstance(value, float) and not math.isfinite(value):
            return node.value  # `.nan` is a word somebody wrote, not a number
        return value
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value  # dates stay as written; the models check them
    raise _tag_fault(node)


def _tag_fault(node: yaml.Node) -> _Faulty:
    line = node.start_mark.line + 1
    return _Faulty(line, "yaml-tag", f"The tag `{node.tag}` is not allowed.", "Leave it out.")


_constructor = yaml.constructor.SafeConstructor()
_SCALARS = {
    "tag:yaml.org,2002:str": _constructor.construct_yaml_str,
    "tag:yaml.org,2002:int": _constructor.construct_yaml_int,
    "tag:yaml.org,2002:float": _constructor.construct_yaml_float,
    "tag:yaml.org,2002:bool": _constructor.construct_yaml_bool,
    "tag:yaml.org,2002:null": _constructor.construct_yaml_null,
}


def _longest_line(path: Path) -> tuple[int, int]:
    number, length = 1, 0
    with path.open("rb") as f:
        for i, text in enumerate(f, 1):
            if len(text) > length:
                number, length = i, len(text)
    return number, length


def _line(loc: Loc, lines: dict[Loc, int]) -> int:
    while loc and loc not in lines:
        loc = loc[:-1]
    return lines.get(loc, 1)


def _dotted(loc: Loc) -> str:
    return ".".join(str(x) for x in loc)


def _known_keys(model: type[BaseModel], loc: Loc) -> set[str]:
    """The keys that `model` allows at `loc`."""
    current: Any = model
    for step in loc:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return set()
        field = current.model_fields.get(str(step))
        if field is None:  # an index into a list, or the tag of a union
            continue
        current = next(iter(_models_in(field.annotation)), None)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return {f.alias or n for n, f in current.model_fields.items()}
    return set()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in get_args(annotation) for m in _models_in(arg)]
