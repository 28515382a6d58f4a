"""A job on real files: parse the standard library's own sources."""

import ast
import os
import tokenize


def count_nodes(path: str) -> dict[str, int]:
    """Read and parse a source file, then count its syntax nodes by kind."""
    with tokenize.open(path) as source:
        tree = ast.parse(source.read())
    counts: dict[str, int] = {}
    for node in ast.walk(tree):
        kind = type(node).__name__
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def library_sources() -> list[str]:
    """Two of three top-level modules of the standard library, by name; about 1.2 s in all."""
    folder = os.path.dirname(os.__file__)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    return [os.path.join(folder, name) for i, name in enumerate(names) if i % 3]
