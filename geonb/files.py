"""Files: where the repository lies, digests, and writing whole or not at all."""

import ast
import functools
import hashlib
import json
import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_whole(path, write):
    """Call write(partial path) and give the file its name only afterwards: a kill leaves the old file or none."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path, content):
    """Write JSON that people can read, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def sha256_of(path):
    """The sha256 of a file's content, in hexadecimal; the file may be larger than the memory."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@functools.cache
def code_digest(source):
    """A short digest of what Python source does: its syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if documented and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]
