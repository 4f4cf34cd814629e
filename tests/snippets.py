"""Runs the blocks of a page one after the other, as a notebook does: `snippets.py PAGES SAID`.

PAGES is a JSON list of pages, each `{"folder": …, "blocks": [[language, code], …]}`; to SAID goes,
for each page, a list of `[printed, fault]`. A Python block ends with the value of its last line,
as in a notebook; what it raises is printed as `Kind: sentence`, and its trace is the fault.

Nothing but the standard library: it runs in the environments of others too, on Python 3.11.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import traceback
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

SCRIPT = "analysis.py"
"""What the blocks of a page are called where they ask for the file that they stand in."""


def run_page(folder: str, blocks: list[list[str]]) -> list[list[str]]:
    """What each block of a page printed, and how it failed."""
    os.chdir(folder)
    path = Path(folder, SCRIPT)
    path.write_text("\n".join(code for language, code in blocks if language == "python"), "utf-8")
    sys.modules["__main__"].__file__ = str(path)
    scope: dict[str, Any] = {"__name__": "__main__"}
    said = []
    for language, code in blocks:
        if language == "sh":
            said.append(run_shell(code))
            continue
        if language == "sql":
            code = f"import duckdb\nduckdb.sql({code!r})"
        said.append(run_python(code, scope, str(path)))
    return said


def run_python(code: str, scope: dict[str, Any], path: str) -> list[str]:
    tree = ast.parse(code, path)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    fault = ""
    with redirect_stdout(io.StringIO()) as printed:
        try:
            exec(compile(tree, path, "exec"), scope)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), path, "eval"), scope)
                if value is not None:
                    print(repr(value))
        except Exception as e:
            print(f"{type(e).__name__}: {e}")
            fault = traceback.format_exc()
    return [printed.getvalue(), fault]


def run_shell(code: str) -> list[str]:
    """A block of commands, with those of this environment in front."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", code],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    return [done.stdout, done.stderr if done.returncode else ""]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    pages, said = map(Path, sys.argv[1:])
    found = [run_page(**page) for page in json.loads(pages.read_text("utf-8"))]
    said.write_text(json.dumps(found), "utf-8")
