"""Rewrites single values in a YAML file and leaves every other byte as its author wrote it.

A YAML writer would lose comments, order and quoting. So the parser only says where a value
stands; the new one is put there by hand, and the result is read again before it is returned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from portal.yamlfile import Loader, Loc

__all__ = ["Items", "edit_yaml", "flow"]

BOM = "\ufeff"
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# a letter first, then nothing that means anything to YAML, be it inside brackets or outside
PLAIN = re.compile(r"[^\W\d_][\w ./()+'-]*(?<! )")


@dataclass(frozen=True)
class Items:
    """Several items that take the place of one item of a list."""

    values: tuple[Any, ...]


class _Place(NamedTuple):
    parent: Any  # the mapping or list that holds the value
    nth: int
    key: yaml.Node | None  # None in a list
    node: yaml.Node


def edit_yaml(text: str, edits: Mapping[Loc, Any]) -> str:
    """`text` with the value at each loc of `edits` replaced, on its line, in flow style.

    Read the file with newline="", or its line ends are already lost. Where `Items` add lines
    to a list, a comment behind the old item comes to stand behind the last of the new ones.

    Raises ValueError, naming the loc, where a value cannot be edited: it is not there, it does
    not stand on one line, it has an anchor, an alias or a tag, it lies inside another one that
    is edited; or where the result would not read as the old document with the new values.
    """
    if not edits:
        return text
    body = text.removeprefix(BOM)  # libyaml leaves it out when it counts, the Python loader not
    root = _compose(body)
    cuts = []
    for loc, value in edits.items():
        try:
            if any(loc[:n] in edits for n in range(len(loc))):
                raise ValueError("lies inside another value that is edited")
            place = _find(body, root, loc)
            written, nodes = _read_back(place, value)
            cuts.append((*_cut(body, place, written), place, nodes))
        except ValueError as e:
            raise ValueError(f"{_shown(loc)}: {e}.") from None
    for start, end, put, place, nodes in sorted(cuts, key=lambda cut: cut[0], reverse=True):
        body = body[:start] + put + body[end:]
        place.parent.value[place.nth : place.nth + 1] = nodes
    result = BOM + body if text.startswith(BOM) else body
    if not _reads_as(result, root):
        where = ", ".join(map(_shown, edits))
        raise ValueError(f"{where}: the file would not read as intended with the new value.")
    return result


def _compose(text: str) -> Any:
    try:
        return yaml.compose(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError) as e:
        raise ValueError(f"not readable as YAML: {' '.join(str(e).split())}") from None


def _reads_as(text: str, root: yaml.Node) -> bool:
    try:
        return yaml.serialize(_compose(text)) == yaml.serialize(root)
    except (ValueError, yaml.YAMLError, RecursionError):
        return False


def _shown(loc: Loc) -> str:
    return f"`{'.'.join(map(str, loc))}`"


def _find(text: str, root: Any, loc: Loc) -> _Place:
    place, node = None, root
    for step in loc:
        _refuse_properties(text, node)
        if isinstance(node, yaml.MappingNode):
            pairs = [(key.value, key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pairs = [(i, None, item) for i, item in enumerate(node.value)]
        else:
            pairs = []
        found = [_Place(node, i, *pair[1:]) for i, pair in enumerate(pairs) if pair[0] == step]
        if len(found) != 1:
            raise ValueError("is given twice" if found else "is not in the file")
        place, node = found[0], found[0].node
    if place is None:
        raise ValueError("is the whole file, not a value in it")
    _refuse_properties(text, node)
    return place


def _refuse_properties(text: str, node: yaml.Node | None) -> None:
    """Refuses an anchor, where an alias leads too, and a tag: a node starts with them."""
    if node is None or node.start_mark.index == node.end_mark.index:
        return
    if text[node.start_mark.index] in "&!":
        raise ValueError("has an anchor, an alias or a tag")


def _read_back(place: _Place, value: Any) -> tuple[list[str], list[Any]]:
    """The new value, or each of the new items, as text and as what the parent shall hold."""
    if isinstance(value, Items) and (place.key is not None or not value.values):
        raise ValueError("is no item of a list, or there are no items to replace it")
    values = list(value.values) if isinstance(value, Items) else [value]
    written = [flow(v) for v in values]
    nodes = _compose(f"[{', '.join(written)}]")
    read = yaml.constructor.SafeConstructor().construct_document(nodes)
    if repr(read) != repr(values):  # repr, so that 1 is not True
        raise ValueError(f"{value!r} cannot be written")
    return written, nodes.value if place.key is None else [(place.key, *nodes.value)]


def _cut(text: str, place: _Place, written: list[str]) -> tuple[int, int, str]:
    """From where to where `text` is cut, and what is put there."""
    node = place.node
    start, end = node.start_mark.index, node.end_mark.index
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if is_block or (isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")):
        raise ValueError("is a block, and only a value on one line can be rewritten")
    if LINE_BREAK.search(text, start, end):
        raise ValueError("spans several lines")
    between = ", "
    if len(written) > 1 and not place.parent.flow_style:
        indent = node.start_mark.column - (start - _after_dash(text, start)) - 1
        between = f"{_line_break(text, end)}{' ' * indent}- "
    put = between.join(written)
    if start < end:
        return start, end, put
    key = place.key
    at = _after_dash(text, start) if key is None else _after_colon(text, key.end_mark.index)
    return at, at, " " + put


def _after_colon(text: str, key_end: int) -> int:
    colon = re.compile(r"[ \t]*:").match(text, key_end)
    if colon is None:
        raise ValueError("has no colon behind its key")
    return colon.end()


def _after_dash(text: str, start: int) -> int:
    head = text[:start].rstrip(" \t")
    if not head.endswith("-"):
        raise ValueError("does not stand on the line of its dash")
    return len(head)


def _line_break(text: str, at: int) -> str:
    """How the line at `at` ends, or another one where this is the last."""
    found = LINE_BREAK.search(text, at) or LINE_BREAK.search(text)
    return found.group() if found else "\n"


def flow(value: Any) -> str:
    """`value` on one line, so that it reads back the same in a block and inside brackets."""
    match value:
        case list():
            return f"[{', '.join(map(flow, value))}]"
        case dict() if all(isinstance(key, str) for key in value):
            return f"{{{', '.join(f'{flow(k)}: {flow(v)}' for k, v in value.items())}}}"
        case str():
            return value if _is_plain(value) else _quoted(value)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case float() if math.isfinite(value):
            text = repr(value)
            return text if "." in text else text.replace("e", ".0e")  # or YAML reads a word
        case int():
            return repr(value)
    raise ValueError(f"{value!r} cannot be written")


def _is_plain(text: str) -> bool:
    """Whether `text` needs no quotes: `yes` and `null` do, for what YAML takes them for."""
    resolved = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))
    return PLAIN.fullmatch(text) is not None and resolved.endswith(":str")


def _quoted(text: str) -> str:
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char.isprintable():
        return "\\" + char if char in '"\\' else char
    return char.encode("unicode_escape").decode()  # as Python does, so does YAML
