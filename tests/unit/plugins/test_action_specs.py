# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every action takes the options that its module documents, and no others."""

from __future__ import annotations

import re

import pytest
import yaml
from unit.plugins.actions import NAMES, ROOT, action_class

# Actions that ask hosts, of which some are modules there. All others compute on the controller.
AS_MODULES = ["gguf_info"]
ON_HOSTS = ["wait_for_job", *AS_MODULES]
PARTS = ("type", "elements", "required", "default", "choices")


def module_text(name):
    return (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")


def documentation(text):
    return yaml.safe_load(re.search(r'DOCUMENTATION = r"""(.*?)"""', text, re.DOTALL)[1])


def documented(name):
    """The documentation of a module, with the options of its fragments."""
    found = documentation(module_text(name))
    options = dict(found.get("options", {}))
    for fragment in found.get("extends_documentation_fragment", []):
        path = ROOT / "plugins" / "doc_fragments" / f"{fragment.rpartition('.')[2]}.py"
        options.update(documentation(path.read_text(encoding="utf-8"))["options"])
    return {**found, "options": options}


def spec_of(options, inner):
    """The options by what matters of them; those within an option are under the key ``inner``."""
    found = {}
    for name, option in options.items():
        found[name] = {part: option[part] for part in PARTS if part in option}
        if inner in option:
            found[name]["options"] = spec_of(option[inner], inner)
    return found


def all_options(options):
    for name, option in options.items():
        yield name, option
        yield from all_options(option.get("options", {}))


def test_there_are_actions():
    assert {"placement", "deployment"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestEveryAction:
    def test_takes_what_is_documented(self, name):
        taken = action_class(name).arguments.argument_spec
        assert spec_of(taken, "options") == spec_of(documented(name)["options"], "suboptions")

    def test_says_no_more_of_an_option_than_is_compared(self, name):
        """Such as ``no_log``, which actions do not honour, or ``aliases``, which the test above does not see."""
        for option, spec in all_options(action_class(name).arguments.argument_spec):
            assert spec.keys() <= {*PARTS, "options"}, option


@pytest.mark.parametrize("name", sorted({*NAMES} - {*AS_MODULES}))
def test_a_module_that_does_not_run_is_documentation_only(name):
    """So that nobody takes it for what runs."""
    code = re.sub(r'(?s)= r""".*?"""', "", module_text(name))
    assert not re.search(r"(?m)^(?!from __future__)(?:from|import|def|class)\b", code)


@pytest.mark.parametrize("name", sorted({*NAMES} - {*ON_HOSTS}))
class TestEveryActionOfTheController:
    def test_connects_to_no_host(self, name):
        kind = action_class(name)
        assert not kind._requires_connection
        assert not kind.TRANSFERS_FILES
        # Each host has an answer of its own, unless its task says run_once.
        assert not kind.BYPASS_HOST_LOOP

    def test_is_documented_as_one(self, name):
        assert "drover.llama.on_the_controller" in documented(name)["extends_documentation_fragment"]
