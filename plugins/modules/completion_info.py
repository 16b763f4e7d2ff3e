#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: completion_info
short_description: Wait for llama-server and prove it by a real completion
version_added: "0.1.0"
description:
  - Waits until C(llama-server) has loaded its model, asks it for one short completion over its OpenAI-compatible API,
    and returns the text and the speed.
  - A completion goes through every worker. The server's C(/health) does not, and says that all is well while a worker
    is dead.
  - When there is no completion, it fails with the likely cause, which it reads from the unit's journal if O(unit) is
    given.
options:
  url:
    description:
      - URL of the server, without C(/v1).
    type: str
    required: true
  api_key:
    description:
      - The server's API key.
    type: str
  api_key_file:
    description:
      - A file on the host that holds the API key on its first line.
    type: path
  prompt:
    description:
      - What to say to the model.
    type: str
    default: Hello
  max_tokens:
    description:
      - Tokens to ask for.
    type: int
    default: 16
  timeout:
    description:
      - Seconds to wait in all, for the server and for the completion.
    type: float
    default: 600
  unit:
    description:
      - The systemd unit that runs the server on this host. When it fails or ends over and over, waiting ends at once.
    type: str
extends_documentation_fragment:
  - drover.llama.changes_nothing
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Wait for a real completion
  drover.llama.completion_info:
    url: http://192.168.1.20:8080
    api_key_file: /etc/drover/main/api_key
    unit: drover-server@main.service
  register: proof

- name: Say how fast it was
  ansible.builtin.debug:
    msg: "{{ proof.completion.text }} ({{ proof.completion.tokens_per_second | round(1) }} tokens per second)"

- name: Ask a question from the controller
  drover.llama.completion_info:
    url: http://192.168.1.20:8080
    api_key: "{{ lookup('ansible.builtin.env', 'DROVER_API_KEY') }}"
    prompt: What is a drover?
    max_tokens: 64
    timeout: 120
  delegate_to: localhost
  register: answer
"""

RETURN = r"""
completion:
  description: The completion. All times are seconds.
  returned: success
  type: dict
  contains:
    text:
      description: What the model said, without randomness.
      returned: success
      type: str
      sample: "Hello! I know"
    model:
      description: Name that the server gives the model.
      returned: success
      type: str
      sample: /var/lib/drover/models/drover-demo.gguf
    prompt_tokens:
      description: Tokens of the prompt, with those of the chat template.
      returned: success
      type: int
      sample: 16
    completion_tokens:
      description: Tokens of the answer.
      returned: success
      type: int
      sample: 4
    prompt_tokens_per_second:
      description: Speed of reading the prompt, or null when the server does not tell.
      returned: success
      type: float
      sample: 27.1
    tokens_per_second:
      description: Speed of generation, or null when the server does not tell or made a single token.
      returned: success
      type: float
      sample: 9.9
    seconds:
      description: How long the completion took.
      returned: success
      type: float
      sample: 1.02
    waited_seconds:
      description: How long the server took to be ready.
      returned: success
      type: float
      sample: 3.53
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.serving.completion import complete, read_api_key
from ansible_collections.drover.llama.plugins.module_utils.serving.unit import Unit


def main():
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "api_key": {"type": "str", "no_log": True},
            "api_key_file": {"type": "path", "no_log": False},
            "prompt": {"type": "str", "default": "Hello"},
            "max_tokens": {"type": "int", "default": 16, "no_log": False},
            "timeout": {"type": "float", "default": 600.0},
            "unit": {"type": "str"},
        },
        mutually_exclusive=[("api_key", "api_key_file")],
        supports_check_mode=True,
    )
    given = module.params
    try:
        completion = complete(
            given["url"],
            api_key=read_api_key(given["api_key_file"]) if given["api_key_file"] else given["api_key"],
            prompt=given["prompt"],
            max_tokens=given["max_tokens"],
            timeout=given["timeout"],
            unit=Unit(given["unit"]) if given["unit"] else None,
        )
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, completion=completion)


if __name__ == "__main__":
    main()
