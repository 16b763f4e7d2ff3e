#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold roles and playbooks to the types of their variables: what is text in an INI inventory is not used as it comes.

``rpc_server_cache=false`` in an INI inventory or after ``-e`` is the text ``false``, which is true as a condition, and
a port is text that no number can be compared with; and a survey of AWX has lists and dictionaries as text, too. So
wherever a variable that an argument spec declares as one of these is part of an expression, a filter of its type comes
right after it (a default may come between). It may stand alone between braces: there it is shown, or handed on to
something that has a type of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# The filter for each type.
TYPES = {
    "bool": "bool",
    "int": "int",
    "float": "float",
    "list": "drover.llama.listed",
    "dict": "drover.llama.mapped",
}
# What one role hands to another, and nobody writes: documents, and names of hosts.
HANDED = re.compile(
    r"host_(deployment|listeners|running|notify|packages)|llama_server_(plan|deployment)|rpc_server_deployment"
    r"|placement_(model|choice|hosts)|llama_cpp_hosts|kubernetes_outside"
)
FOLDERS = ("roles/*/tasks", "roles/*/handlers", "roles/*/vars", "roles/*/templates", "playbooks")
# Their values are expressions as they stand.
CONDITIONS = {"when", "that", "until", "failed_when", "changed_when", "break_when"}
TEMPLATES = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
LITERALS = re.compile(r"'[^']*'|\"[^\"]*\"")
# What may come between a variable and its filter, and what asks nothing of a type.
DEFAULT = r"(?:\s*\|\s*(?:ansible\.builtin\.)?(?:default|d)\([^()]*\))?"
FREE = r"\s+is\s+(?:not\s+)?(?:defined|undefined|none)\b"


def declared(root: Path) -> dict[str, str]:
    """The type of every variable that some role's argument spec declares as one of ``TYPES``."""
    found = {}
    for path in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        for spec in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            options = spec.get("options") or {}
            found.update({name: option["type"] for name, option in options.items() if option.get("type") in TYPES})
    return {name: kind for name, kind in found.items() if not HANDED.fullmatch(name)}


def unconverted(expression: str, types: dict[str, str]) -> Iterator[str]:
    """The variables that are used in an expression without their filter."""
    bare = LITERALS.sub(lambda literal: "'" + " " * (len(literal[0]) - 2) + "'", expression)
    for name, kind in types.items():
        wanted = re.escape(TYPES[kind])
        for use in re.finditer(rf"\b{name}\b(?!\s*=[^=])", bare):
            after = bare[use.end() :]
            joined = bare[: use.start()].rstrip().endswith("~") or after.lstrip().startswith("~")
            joined = joined and kind in ("int", "float")
            if not joined and not re.match(rf"{DEFAULT}\s*\|\s*{wanted}\b|{FREE}", after):
                yield name
        # What other hosts say is text as well.
        for use, converted in (
            (rf"\[\s*'{name}'\s*\]", rf"{DEFAULT}\s*\|\s*{wanted}\b|{FREE}"),
            (rf"'extract',\s*\w+,\s*'{name}'\s*\)", rf"{DEFAULT}\s*\|\s*map\(\s*'{wanted}'"),
        ):
            for found in re.finditer(use, expression):
                if not re.match(converted, expression[found.end() :]):
                    yield name


def in_templates(text: str, types: dict[str, str]) -> Iterator[str]:
    """The same for all that stands in braces in a text."""
    for braces in TEMPLATES.finditer(text):
        expression = (braces[1] or braces[2]).strip("-+ \n")
        if expression not in types:
            yield from unconverted(expression, types)


def in_yaml(text: str, types: dict[str, str]) -> Iterator[tuple[int, str]]:
    """(line, variable) for every use in a YAML file that lacks its filter."""
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        for node, condition in scalars(document, False):
            found = unconverted(node.value, types) if condition else in_templates(node.value, types)
            for name in found:
                lines = text[node.start_mark.index : node.end_mark.index].split("\n")
                offset = next((number for number, line in enumerate(lines) if re.search(rf"\b{name}\b", line)), 0)
                yield node.start_mark.line + offset + 1, name


def scalars(node: yaml.Node | None, condition: bool) -> Iterator[tuple[yaml.ScalarNode, bool]]:
    """Every value of a document, and whether it is a condition."""
    if isinstance(node, yaml.ScalarNode):
        yield node, condition
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from scalars(item, condition)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from scalars(value, condition or key.value in CONDITIONS)


def faults(root: Path) -> list[str]:
    """One sentence for each use of a variable that lacks its filter."""
    types, found = declared(root), []
    for path in sorted(file for folder in FOLDERS for file in root.glob(f"{folder}/**/*") if file.is_file()):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yml":
            uses = list(in_yaml(text, types))
        else:
            uses = [
                (number, name)
                for number, line in enumerate(text.split("\n"), start=1)
                for name in in_templates(line, types)
            ]
        found += [
            f"{path.relative_to(root)}:{line}: {name} is declared {types[name]}, but may be text here; "
            f"put `| {TYPES[types[name]]}` right after it"
            for line, name in uses
        ]
    return found


def main() -> int:
    """Print every fault and return 1 when there is one."""
    found = faults(ROOT)
    print("\n".join(found) or f"{len(declared(ROOT))} variables of type {', '.join(TYPES)} are used with their filter")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
