"""Puts a mapping of several lines into a YAML file and leaves every other line as it was.

`portal.yamledit` rewrites values that stand on one line; this one writes what no line can hold.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from portal.yamledit import BOM, edit_yaml
from portal.yamlfile import Loader

__all__ = ["put_block"]


class _Dumper(yaml.SafeDumper):
    """Writes everything out: the manifest takes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Text in the style that suits it, with line ends that few readers agree on spelt out."""
    style = '"' if _RARE_BREAKS & set(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_RARE_BREAKS = set("\x85\u2028\u2029")
_Dumper.add_representer(str, _text)


def put_block(text: str, key: str, name: str, value: Mapping[str, Any]) -> str:
    """`text` with `name: value` under the key `key` of the document, in block style.

    A key that is not there is added at the end; a name that is there is replaced, with the
    comments between its lines. Read the file with newline="", or its line ends are lost.
    Raises ValueError where the document is no mapping in block style, or would not read as
    intended afterwards.
    """
    body = text.removeprefix(BOM)
    root, old = _read(body)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("is no mapping in block style")
    there = (old[key] or {}) if key in old else {}
    if not isinstance(there, dict):
        raise ValueError(f"`{key}` is no mapping")
    made = text[: len(text) - len(body)] + _put(body, root, key, name, value, there)
    if _read(made)[1] != {**old, key: {**there, name: value}}:
        raise ValueError("the file would not read as intended with the new value")
    return made


def _read(text: str) -> tuple[yaml.Node | None, Any]:
    try:
        return yaml.compose(text, Loader=Loader), yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError) as e:
        raise ValueError(f"not readable as YAML: {' '.join(str(e).split())}") from None


def _put(
    text: str,
    root: yaml.MappingNode,
    key: str,
    name: str,
    value: Mapping[str, Any],
    there: Mapping[str, Any],
) -> str:
    if text and not text.endswith(("\n", "\r")):
        text += _line_end(text)
    pairs = {k.value: (k, v) for k, v in root.value}
    if key not in pairs:
        block = f"{key}:\n{_block(name, value, 2)}"
        return text + block.replace("\n", _line_end(text))
    key_node, node = pairs[key]
    if isinstance(node, yaml.MappingNode) and node.flow_style and node.value:
        return edit_yaml(text, {(key,): {**there, name: value}})
    put, indent = "", 2
    if not isinstance(node, yaml.MappingNode) or node.flow_style:  # nothing, or `{}`
        start = text.index(":", key_node.end_mark.index) + 1
        behind = max(node.end_mark.index, start)
        end = _end_of_line(text, behind)
        put = text[behind:end]  # a comment stays on its line
    else:
        children = {k.value: (k, v) for k, v in node.value}
        indent = node.value[0][0].start_mark.column
        start = end = _end_of(text, node)
        if name in children:
            start = children[name][0].start_mark.index - indent
            end = _end_of(text, children[name][1])
    block = _block(name, value, indent).replace("\n", _line_end(text))
    return text[:start] + put + block + text[end:]


def _block(name: str, value: Mapping[str, Any], indent: int) -> str:
    written = yaml.dump(
        {name: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return textwrap.indent(written, " " * indent)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _end_of(text: str, node: yaml.Node) -> int:
    """Behind the last line of a node; libyaml's own mark lies behind comments that follow too."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end = node.end_mark.index
    return end if node.end_mark.column == 0 and end else _end_of_line(text, end)


def _end_of_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1
