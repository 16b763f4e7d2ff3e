#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: turn
short_description: Have one run at a time change a cluster
version_added: "0.2.0"
description:
  - Takes the turn to change a cluster on a host, or gives it back. While one run has it, another one fails, in one
    sentence that names the first.
  - A run that took stock before another one had the turn fails, too, since it has planned with what is not so any more.
  - A run that was cut off gives nothing back. Its turn ends after an hour, with the host's next boot, or when it is
    among O(ended).
  - Runs on Linux.
options:
  cluster:
    description: The name of the cluster.
    type: str
    default: main
  host:
    description: What the host is called in what is told.
    type: str
    required: true
  run:
    description: The run that takes the turn, as M(drover.llama.this_run) tells it.
    type: str
    required: true
  who:
    description: Who has started it, and where, for whoever is refused.
    type: str
    default: somebody
  seen:
    description: The run that had the turn when this one took stock, which M(drover.llama.memory_info) tells.
    type: str
    default: ""
  ended:
    description: Runs that are known to have ended, and have given nothing back.
    type: list
    elements: str
    default: []
  state:
    description: Whether the turn is V(taken) or V(free) afterwards.
    type: str
    choices: [taken, free]
    default: taken
attributes:
  check_mode:
    description: Can run in check mode, in which it takes nothing and fails for nobody.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: N/A
    details:
      - A turn is nothing that stays.
seealso:
  - module: drover.llama.this_run
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Ask who this is
  drover.llama.this_run:
  register: mine
  run_once: true

- name: Take the turn
  drover.llama.turn:
    host: "{{ inventory_hostname }}"
    run: "{{ mine.run }}"
    who: "{{ mine.who }}"

- name: Give it back
  drover.llama.turn:
    host: "{{ inventory_hostname }}"
    run: "{{ mine.run }}"
    state: free
"""

RETURN = r""" # """

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.hosts.tree import Tree
from ansible_collections.drover.llama.plugins.module_utils.runtime.turns import change_turn
from ansible_collections.drover.llama.plugins.module_utils.serving.cluster import Cluster
from ansible_collections.drover.llama.plugins.module_utils.serving.turn import give_back, take


def main():
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "default": "main"},
            "host": {"type": "str", "required": True},
            "run": {"type": "str", "required": True},
            "who": {"type": "str", "default": "somebody"},
            "seen": {"type": "str", "default": ""},
            "ended": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["taken", "free"], "default": "taken"},
        },
        supports_check_mode=True,
    )
    wanted = module.params

    def changed(kept, now):
        if wanted["state"] == "free":
            return give_back(kept, wanted["run"])
        names = ("host", "run", "who", "seen", "ended")
        return take(kept, **{name: wanted[name] for name in names}, now=now, path=cluster.turn_path)

    try:
        cluster = Cluster(wanted["cluster"])
        if not module.check_mode:
            change_turn(Tree(), cluster, changed)
    except DroverError as error:
        module.fail_json(msg=str(error))
    # Like Ansible's own temporary files, whose turn it is counts as no change.
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
