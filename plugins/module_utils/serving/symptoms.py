# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama-server's dying words mean, and what to do about them.

Every pattern was taken from the log of a real llama-server 0.7.0 (build 11669) that was made to fail; the logs are in
tests/unit/serving/test_symptoms.py. Of these no log is recorded, and they count as never provoked: ``RPC handshake
failed`` without a version before it, ``unknown argument`` (``invalid argument`` was), everything about killed processes
and illegal instructions, in the words of systemd, the kernel and the C++ library, and ``error while loading shared
libraries``. The first pattern of the table that fits explains the failure, so causes come before consequences.
"""

from __future__ import annotations

import re

# (what the log says, what it means and what to do); {name} is filled in from the pattern.
SYMPTOMS: list[tuple[str, str]] = [
    # The runtime, which did not become llama-server at all.
    (r"(?m)^(?:.*\]: )?drover: (?P<sentence>.+?)[.]?$", "{sentence}"),
    (
        r"Failed to connect to (?P<endpoint>\S+)",
        "the worker at {endpoint} did not take part: it is off, its RPC server does not run or belongs to another "
        "build of llama.cpp, or a firewall is in between; check that host with playbooks/status.yml and run "
        "site.yml again",
    ),
    (
        r"RPC server version mismatch: (?P<version>\S+)(?:.|\n)*?RPC handshake failed for (?P<endpoint>\S+)",
        "the worker at {endpoint} runs another build of llama.cpp, whose RPC protocol {version} this one does not "
        "speak; bring all hosts to one build and run site.yml again",
    ),
    (
        r"RPC handshake failed for (?P<endpoint>\S+)",
        "the worker at {endpoint} runs another build of llama.cpp or is no RPC server; bring all hosts to one build "
        "and run site.yml again",
    ),
    (
        r"Cannot resolve host '(?P<host>[^']+)'",
        "the worker's name {host} is unknown on this host; give its address instead, in rpc_server_address",
    ),
    (
        r"Remote RPC server crashed or returned malformed response",
        "a worker ended or left the network in the middle of the work; look with "
        "\"journalctl -u 'drover-rpc@*'\" on the workers (most often their memory ran out) and run site.yml again",
    ),
    (
        r"couldn't bind HTTP server socket, hostname: (?P<address>[^,\s]+), port: (?P<port>\d+)",
        "it could not listen on {address}:{port}: another program holds the port, or the address is not this host's; "
        "free the port, or set llama_server_port or rpc_server_address",
    ),
    (
        r"error: (?:invalid|unknown) argument: (?P<argument>\S+)",
        "this build of llama.cpp does not know the argument {argument}; take it out, or install the same build that it "
        "was written for",
    ),
    (
        r'error while handling argument "(?P<argument>[^"]+)": (?P<reason>.+)',
        "it refuses the value of {argument} ({reason}); correct the setting that it comes from",
    ),
    (
        r"failed to open GGUF file '(?P<path>[^']+)' \((?P<reason>[^)]+)\)",
        "it cannot open the model {path} ({reason}); check the path, and that the user drover may read it",
    ),
    (
        r"data is not within the file bounds, model is corrupted or incomplete",
        "the model's file is truncated; download it again",
    ),
    (
        r"invalid magic characters",
        "the model's file is not GGUF; give a file in llama.cpp's GGUF format",
    ),
    (
        r"gguf_init_from_\w+: (?P<reason>failed to read .+)",
        "the header of the model's file is damaged ({reason}); download it again",
    ),
    (
        r"unknown model architecture: '(?P<architecture>[^']+)'",
        "this build of llama.cpp does not know models of the architecture {architecture}; install a newer one",
    ),
    (
        r"quantized V cache requires flash_attn",
        "a quantised V cache works with flash attention only; set llama_server_flash_attention to auto or on, or "
        "llama_server_cache_type_v to f16",
    ),
    (
        r"endpoint: (?P<endpoint>[^,\s]+), device: \d+, size: (?P<size>.+?) -> failed",
        "the worker at {endpoint} could not give a buffer of {size}; set a smaller llama_server_context_size, a "
        "quantised KV cache or a larger placement_reserve_bytes for that host, and run site.yml again",
    ),
    (
        r"(?:unable|failed) to allocate (?P<device>\S+) buffer of size (?P<size>\d+)",
        "{device} could not give a buffer of {size} bytes; set a smaller llama_server_context_size, a quantised KV "
        "cache or a larger placement_reserve_bytes, and run site.yml again",
    ),
    (
        r"oom-kill|killed by the OOM killer|std::bad_alloc",
        "the memory of this host ran out; set a larger placement_reserve_bytes for it or a smaller "
        "llama_server_context_size, and run site.yml again",
    ),
    (
        r"status=4/ILL|Illegal instruction",
        "llama.cpp was built for a newer processor than this one; install a build for this processor, such as the "
        "distribution's own package",
    ),
    (
        r"error while loading shared libraries: (?P<library>[^:\s]+)",
        "the library {library} is missing or too old; install llama.cpp again for this distribution",
    ),
    (
        r"error loading model: (?P<reason>.+)",
        "it cannot load the model ({reason}); check the file with drover.llama.gguf_info, or install a newer llama.cpp",
    ),
    (
        r"failed to create context",
        "it could not set up the context; set a smaller llama_server_context_size and run site.yml again",
    ),
]
# systemd's own lines at every start of a unit, and llama-server's first one.
START = re.compile(r"(?:^(?:Start(?:ed|ing) .*|.*llama_server: initializing.*)\n?)+", re.MULTILINE)


def explain(log: str, runs: int = 1) -> str | None:
    """What went wrong by the ``log`` (text, oldest line first), with the remedy, or None when it does not say.

    Looks at the last ``runs`` starts of the service that left anything to explain, the latest first, and at nothing
    older: that would be the trouble of another day.
    """
    starts = [match.start() for match in START.finditer(log)] or [0]
    ends = [*starts[1:], len(log)]
    for start, end in list(zip(starts, ends))[: -runs - 1 : -1]:
        meaning = _first(log[start:end])
        if meaning:
            return meaning
    return None


def _first(text: str) -> str | None:
    for pattern, meaning in SYMPTOMS:
        match = re.search(pattern, text)
        if match:
            return meaning.format(**{name: value.strip() for name, value in match.groupdict().items()})
    return None
