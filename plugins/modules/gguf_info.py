#!/usr/bin/python
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gguf_info
short_description: Describe a GGUF model from its header
version_added: "0.1.0"
description:
  - Reads the header of a GGUF model and returns what placing the model on hosts takes, such as its architecture,
    its dimensions and the bytes of every block.
  - Only the header is read, never the weights. Of a remote model it is fetched by HTTP range requests, a few MiB of a
    file of any size.
  - Split models are read whole. Give the first shard, and the others are found beside it and checked.
  - GGUF versions 2 and 3 are understood, in both byte orders, with every tensor type of llama.cpp 0.7.0.
options:
  path:
    description:
      - Path of the model, or of the first shard (C(NAME-00001-of-0000N.gguf)) of a split model, on the host where the
        module runs.
      - Exactly one of O(path) and O(url) is required.
    type: path
  url:
    description:
      - An C(http) or C(https) URL of the model, or of the first shard of a split model.
      - Redirects are followed, and busy servers are asked again.
      - Its query, where a presigned URL has its signature, is never part of a message. Ansible itself shows and logs
        the options of a task, so give such a task C(no_log).
    type: str
  token:
    description:
      - A bearer token, for models that are gated or private.
      - It is sent to the server of O(url) only, never to one that this server redirects to.
      - An empty token means none. Without O(url) it has no effect.
    type: str
  sha256:
    description:
      - The sha256 that files of the model must have, by file name. Those files are read whole, which takes as long as
        their size says; without it only headers are read.
      - Needs O(path).
    type: dict
    default: {}
extends_documentation_fragment:
  - drover.llama.changes_nothing
notes:
  - A file on the controller is read within Ansible's own process, which is quicker, unless C(become) is set.
author:
  - The Drover developers (@drover)
"""

EXAMPLES = r"""
- name: Look at a model on this host
  drover.llama.gguf_info:
    path: /var/lib/drover/models/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf
  register: model

- name: Say what it is
  ansible.builtin.debug:
    msg: "{{ model.gguf.name }}, {{ model.gguf.quantization }}, {{ model.gguf.block_count }} blocks"

- name: Look at a model that nobody has downloaded yet, from the controller
  drover.llama.gguf_info:
    url: https://huggingface.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF/resolve/main/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf
  delegate_to: localhost
  run_once: true
  register: model

- name: Check a download before it is used
  drover.llama.gguf_info:
    path: /srv/models/model.gguf
    sha256:
      model.gguf: 377c217a035b7e87c5f6a8c1bbf50877e4c6edb8a7aecbc1445e39d5f7a38a3d

- name: Look at a gated split model
  drover.llama.gguf_info:
    url: https://huggingface.co/example/large-GGUF/resolve/main/large-Q8_0-00001-of-00009.gguf
    token: "{{ lookup('ansible.builtin.env', 'HF_TOKEN') }}"
  delegate_to: localhost
  register: model
"""

RETURN = r"""
gguf:
  description: The model. All sizes are bytes.
  returned: success
  type: dict
  contains:
    schema:
      description: Version of this description; it changes when a field changes its meaning.
      returned: success
      type: int
      sample: 1
    unservable:
      description:
        - Why C(llama-server) cannot chat with this model, one sentence each with what to do; empty when it can.
        - Tensors for images inside the model's own file, for example, as Ollama keeps them, or a model that makes
          embeddings.
      returned: success
      type: list
      elements: str
      sample: []
    warnings:
      description: What may come as a surprise when the model is served, such as a missing chat template.
      returned: success
      type: list
      elements: str
      sample: []
    architecture:
      description: Architecture by llama.cpp's name.
      returned: success
      type: str
      sample: llama
    name:
      description: Name that the model gives itself, empty when it has none.
      returned: success
      type: str
      sample: Meta Llama 3.1 8B Instruct
    version:
      description: Version of the GGUF format.
      returned: success
      type: int
      sample: 3
    file_type:
      description: Number of the file's main quantisation (C(general.file_type)), or null when the file does not say.
      returned: success
      type: int
      sample: 15
    quantization:
      description: Name of RV(gguf.file_type), or null when it is not known.
      returned: success
      type: str
      sample: Q4_K_M
    file_bytes:
      description: Size of the file, or of all shards together.
      returned: success
      type: int
      sample: 4920739232
    weight_bytes:
      description: Size of all tensors.
      returned: success
      type: int
      sample: 4912898304
    parameter_count:
      description: Number of elements in all tensors.
      returned: success
      type: int
      sample: 8030261312
    tensor_count:
      description: Number of tensors.
      returned: success
      type: int
      sample: 292
    block_count:
      description: Number of repeating blocks. The output layer is not one of them.
      returned: success
      type: int
      sample: 32
    context_length:
      description: Longest context, in tokens, that the model was trained for; 0 when the file does not say.
      returned: success
      type: int
      sample: 131072
    embedding_length:
      description: Width of the embedding.
      returned: success
      type: int
      sample: 4096
    feed_forward_length:
      description: Width of the feed-forward part, or a list of one number for each block.
      returned: success
      type: raw
      sample: 14336
    head_count:
      description: Number of attention heads, or a list of one number for each block.
      returned: success
      type: raw
      sample: 32
    head_count_kv:
      description: Number of key and value heads, or a list of one number for each block.
      returned: success
      type: raw
      sample: 8
    key_length:
      description: Elements of one head's key.
      returned: success
      type: int
      sample: 128
    value_length:
      description: Elements of one head's value.
      returned: success
      type: int
      sample: 128
    expert_count:
      description: Number of experts in a block, 0 for a dense model.
      returned: success
      type: int
      sample: 0
    expert_used_count:
      description: Number of experts that one token uses, or a list of one number for each block; 0 for a dense model.
      returned: success
      type: raw
      sample: 0
    sliding_window:
      description: Tokens in the attention's sliding window, 0 when it has none.
      returned: success
      type: int
      sample: 0
    vocab_size:
      description: Number of tokens in the vocabulary.
      returned: success
      type: int
      sample: 128256
    chat_template:
      description: Whether the model brings its own chat template.
      returned: success
      type: bool
      sample: true
    shards:
      description: File names of the model, in order; one name unless it is split.
      returned: success
      type: list
      elements: str
      sample:
        - Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf
    embedding_bytes:
      description: Size of the token embedding, which stays in the memory of the leader's CPU.
      returned: success
      type: int
      sample: 295501824
    largest_output_tensor_bytes:
      description: Size of the largest tensor of the output layer, which an RPC server receives whole.
      returned: success
      type: int
      sample: 430940160
    output_bytes:
      description:
        - Size of the output layer. With RV(gguf.tied_embeddings) it counts the token embedding, which llama.cpp then
          loads a second time.
      returned: success
      type: int
      sample: 430956544
    every_device_bytes:
      description: Size of the small tensors of which every device that holds a block gets a copy.
      returned: success
      type: int
      sample: 256
    first_block_bytes:
      description: Size of the small tensors that go to the device of block 0.
      returned: success
      type: int
      sample: 0
    tied_embeddings:
      description: Whether the output layer uses the matrix of the token embedding.
      returned: success
      type: bool
      sample: false
    hyperparameters:
      description: All metadata of the architecture, without its prefix, except long arrays.
      returned: success
      type: dict
      sample:
        attention.head_count: 32
        attention.head_count_kv: 8
        block_count: 32
        rope.freq_base: 500000.0
    block_kinds:
      description:
        - The kinds of block that the model has, each with its matrices and the number of values that each of them makes
          of a token. Blocks of the same shape are of the same kind.
      returned: success
      type: list
      elements: dict
      sample:
        - attn_k: 1024
          attn_output: 4096
          attn_q: 4096
          attn_v: 1024
          ffn_down: 4096
          ffn_gate: 14336
          ffn_up: 14336
    blocks:
      description: The repeating blocks, in order.
      returned: success
      type: list
      elements: dict
      contains:
        index:
          description: Number of the block, from 0.
          returned: success
          type: int
          sample: 0
        weight_bytes:
          description: Size of the block's tensors.
          returned: success
          type: int
          sample: 138936320
        largest_tensor_bytes:
          description: Size of the largest of them, which an RPC server receives whole.
          returned: success
          type: int
          sample: 48168960
        cacheable_bytes:
          description: Size of those tensors over 10 MiB, which the RPC server's tensor cache takes.
          returned: success
          type: int
          sample: 114229248
        expert_bytes:
          description: Size of the experts' tensors, of which one token uses a part.
          returned: success
          type: int
          sample: 0
        kind:
          description: Index of the block's kind in RV(gguf.block_kinds).
          returned: success
          type: int
          sample: 0
files:
  description: The files of the model, in the order of their shards.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the file, without its folder.
      returned: success
      type: str
      sample: Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf
    file_bytes:
      description: Its size. Where a web server does not tell it, what the header announces.
      returned: success
      type: int
      sample: 4920739232
    modified:
      description: When it was written last, in seconds since 1970, or null for O(url).
      returned: success
      type: int
      sample: 1721900000
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.gguf.look import look


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "url": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "sha256": {"type": "dict", "default": {}},
        },
        mutually_exclusive=[("path", "url")],
        required_one_of=[("path", "url")],
        supports_check_mode=True,
    )
    try:
        found = look(*(module.params[name] for name in ("path", "url", "token", "sha256")))
    except DroverError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
