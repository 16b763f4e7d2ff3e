#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one page a role into docs/roles/ from its argument specs, and a README beside the role, which Galaxy asks for;
with --check only say which are out of date."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml

# Roles that work in parts are used by a playbook of another name.
PLAYBOOKS = {"llama_image": "images", "tensor_cache": "site", "gateway": "site"}
ROOT = Path(__file__).resolve().parents[2]


def plain(text: str | list[str]) -> str:
    """Turn Ansible's markup (O(), V(), C(), RV()) into Markdown; a list becomes one paragraph an entry."""
    if isinstance(text, list):
        return "\n\n".join(plain(entry) for entry in text)
    return re.sub(r"\b(?:O|V|C|RV|E)\(([^)]*)\)", r"`\1`", text.strip())


def specs_of(role: Path) -> dict:
    """The entry points of a role, ``main`` first."""
    return yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]


def beginning(role: Path) -> list[str]:
    """What every page of a role begins with: its name and what it does."""
    main = specs_of(role)["main"]
    return [
        "<!-- Written by tests/checks/role_docs.py from the role's meta/argument_specs.yml; edit that. -->",
        f"# Role `drover.llama.{role.name}`",
        "",
        main["short_description"] + ".",
        "",
        plain(main["description"]),
        "",
    ]


def smallest_playbook(role: str) -> list[str]:
    """The first playbook of docs/roles_alone.md that uses the role, or imports the playbook that does, as a block."""
    blocks = re.findall(r"```yaml\n.*?```", (ROOT / "docs" / "roles_alone.md").read_text(encoding="utf-8"), re.DOTALL)
    name = re.compile(rf"drover\.llama\.{PLAYBOOKS.get(role, role)}$", re.MULTILINE)
    return next(block for block in blocks if name.search(block)).split("\n")


def readme(role: Path) -> str:
    """Return what Galaxy shows of one role."""
    more = f"[Its variables and parts](../../docs/roles/{role.name}.md), and"
    alone = "[how roles are used in a playbook of your own](../../docs/roles_alone.md)."
    return "\n".join([*beginning(role), *smallest_playbook(role.name), "", f"{more} {alone}"]) + "\n"


def page(role: Path) -> str:
    """Return the Markdown page of one role: what it does, then a table of its variables."""
    specs = specs_of(role)
    main = specs["main"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    lines = [
        *beginning(role),
        "## Variables",
        "",
        "| variable | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, option in main["options"].items():
        cell = "needed"
        if not option.get("required"):
            default = defaults[name] if isinstance(defaults[name], str) else json.dumps(defaults[name])
            cell = f"`{default}`" if default != "" else "empty"
        choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
        meaning = plain(option["description"]).replace("\n\n", " ") + choices
        lines.append(f"| `{name}` | {option['type']} | {cell.replace('|', chr(92) + '|')} | {meaning} |")
    if parts := {name: spec for name, spec in specs.items() if name != "main"}:
        lines += ["", "## Parts", "", "| `tasks_from` | does |", "| --- | --- |"]
        lines += [f"| `{name}` | {spec['short_description']}. |" for name, spec in parts.items()]
    return "\n".join(lines) + "\n"


def index(roles: list[Path]) -> str:
    """Return the page that lists the roles."""
    rows = [f"| [{role.name}]({role.name}.md) | {specs_of(role)['main']['short_description']}. |" for role in roles]
    begin = "<!-- Written by tests/checks/role_docs.py. -->"
    return (
        "\n".join([begin, "# Roles, and all of their settings", "", "| role | does |", "| --- | --- |", *rows]) + "\n"
    )


def pages(root: Path) -> dict[Path, str]:
    """Every file that is written, with its text."""
    roles, folder = (
        sorted(path.parents[1] for path in root.glob("roles/*/meta/argument_specs.yml")),
        root / "docs/roles",
    )
    return {
        folder / "README.md": index(roles),
        **{folder / f"{role.name}.md": page(role) for role in roles},
        **{role / "README.md": readme(role) for role in roles},
    }


def main() -> int:
    """Write (or check) every page and README; return 1 when one is out of date under --check."""
    check, stale = "--check" in sys.argv[1:], []
    for target, text in pages(ROOT).items():
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        stale.append(target.relative_to(ROOT))
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    for target in stale:
        print(f"{target} {'is out of date; run tests/checks/role_docs.py' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
