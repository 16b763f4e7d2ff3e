# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions and filters as Ansible loads them, with tasks as small as they can be."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

from ansible.plugins.loader import action_loader, filter_loader, init_plugin_loader

ROOT = Path(__file__).parents[3]
NAMES = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))


@cache
def _know_the_checkout():
    init_plugin_loader([str(ROOT / ".collections")])


def action_class(name):
    _know_the_checkout()
    return action_loader.get(f"drover.llama.{name}", class_only=True)


def filter_function(name):
    _know_the_checkout()
    return filter_loader.get(f"drover.llama.{name}").j2_function


def act(kind, args, check_mode=False, name="drover.llama.it", transport="none", become=None):
    """What an action of the class ``kind`` returns to a task with these arguments, on a host that nobody can reach."""
    task = SimpleNamespace(action=name, args=args, async_val=0, check_mode=check_mode)
    # Without anything in it that an action could connect or copy by.
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), transport=transport, become=become)
    action = kind(task, connection, play_context=None, loader=None, templar=None, shared_loader_obj=None)
    return action.run(task_vars={})


def decorated(value):
    """The value as templates of the Ansible at hand give it: subclasses of what JSON knows, at every depth."""
    try:
        from ansible._internal._datatag._tags import TrustedAsTemplate
        from ansible.module_utils._internal._datatag import AnsibleTagHelper
    except ImportError:  # before ansible-core 2.19
        from ansible.utils.unsafe_proxy import wrap_var

        return wrap_var(value)
    if isinstance(value, dict):
        value = {decorated(key): decorated(part) for key, part in value.items()}
    elif isinstance(value, list):
        value = [decorated(part) for part in value]
    return AnsibleTagHelper.tag(value, TrustedAsTemplate()) if value is not None else None


def types_in(value):
    """The types of all that a document holds."""
    if isinstance(value, dict):
        return {type(value)}.union(*map(types_in, [*value.keys(), *value.values()]))
    return {type(value)}.union(*map(types_in, value)) if isinstance(value, list) else {type(value)}


PLAIN = {dict, list, str, int, float, bool, type(None)}
