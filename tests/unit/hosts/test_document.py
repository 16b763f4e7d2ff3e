# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tally that comes from elsewhere is taken as it is, or refused in one sentence."""

from __future__ import annotations

import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.devices import drive
from module_utils.hosts.document import BY_USER, exclusion, read_tally
from unit.documents import parent_of

from .fleet import at, tally
from .test_devices import NVIDIA

GOOD = drive(tally("pi-1", at("eth0", "10.0.0.1/24", speed=1000), gpus=[NVIDIA]), ["CUDA"])


def test_a_tally_comes_back_with_whatever_else_it_says():
    more = {**GOOD, "colour": "blue"}
    assert read_tally(json.loads(json.dumps(more))) == more


def test_what_was_measured_of_the_link():
    network = {**GOOD["network"], "speed_mbps": 918, "round_trip_seconds": 0.0002}
    assert read_tally({**GOOD, "network": network})["network"] == network


@pytest.mark.parametrize("own", ["10.0.0.1", "pi-1.drover-main-workers.drover.svc", None])
def test_the_owners_address_may_be_a_name(own):
    assert read_tally({**GOOD, "network": {**GOOD["network"], "address": own}})["network"]["address"] == own


def every_field(document, path=()):
    """The paths of all fields, those of the first item of lists among them."""
    items = document.items() if isinstance(document, dict) else list(enumerate(document))[:1]
    for key, value in items:
        if path[-1:] == ("models",):
            continue
        if isinstance(key, str):
            yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from every_field(value, (*path, key))


@pytest.mark.parametrize("path", list(every_field(GOOD)), ids=lambda path: ".".join(map(str, path)))
def test_every_field_is_needed_and_has_its_type(path):
    changed = copy.deepcopy(GOOD)
    parent_of(changed, path)[path[-1]] = {"not": ["this"]}
    with pytest.raises(DroverError, match=r"^(The tally of pi-1|One of the tallies)\b.*" + path[-1]):
        read_tally(changed)
    del parent_of(changed, path)[path[-1]]
    with pytest.raises(DroverError, match=rf"^(The tally of pi-1|One of the tallies)\b.* has no {path[-1]}"):
        read_tally(changed)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("schema",), 2, "The tally of pi-1 has schema 2 where schema 1 was expected: use what memory_info returned."),
        (("host",), "", "One of the tallies: host is '' but must be a text that is not empty"),
        (
            ("memory", "usable_bytes"),
            -1,
            "The tally of pi-1: memory: usable_bytes is -1 but must be a whole number from 0",
        ),
        (("memory", "usable_bytes"), 1 << 61, f"The tally of pi-1: memory: usable_bytes is {1 << 61} but must be"),
        (("memory", "usable_bytes"), True, "The tally of pi-1: memory: usable_bytes is True but"),
        (("memory", "usable_bytes"), 1.5, "The tally of pi-1: memory: usable_bytes is 1.5 but"),
        (("bandwidth_bytes_per_second",), float("nan"), "The tally of pi-1: bandwidth_bytes_per_second is nan but"),
        (("cpu", "cores"), 0, "The tally of pi-1: cpu: cores is 0 but"),
        (("exclude",), True, "The tally of pi-1: exclude is True but must be a text: use what memory_info returned."),
        (("obstacles",), "none", "The tally of pi-1: obstacles is 'none' but must be a list"),
        (("obstacles",), [""], "The tally of pi-1: obstacles[0] is '' but"),
        (("port",), 65536, "The tally of pi-1: port is 65536 but must be a whole number from 1 to 65535"),
        (("threads",), 0, "The tally of pi-1: threads is 0 but"),
        (("gpus", 0, "kind"), "cpu", "The tally of pi-1: gpus[0]: kind is 'cpu' but must be one of cuda, rocm"),
        (("devices", 1, "unified"), 0, "The tally of pi-1: devices[1]: unified is 0 but must be true or false"),
        (("devices",), [], "The tally of pi-1: devices has no CPU in the first place"),
        (("devices", 0, "kind"), "cuda", "The tally of pi-1: devices has no CPU in the first place"),
        (("disk", "models"), {"a.gguf": "big"}, "The tally of pi-1: disk: models['a.gguf'] is 'big' but"),
        (("network", "address"), "pi-1", "The tally of pi-1: network: address is 'pi-1' but must be an IPv4 address"),
        (("network", "address"), "10.0.0.256", "The tally of pi-1: network: address is '10.0.0.256' but must be"),
        (("network", "addresses", 1, "network"), "10.0.0.1/24", "The tally of pi-1: network: addresses[1]: network is"),
        (("network", "addresses", 1, "kind"), "token ring", "The tally of pi-1: network: addresses[1]: kind is"),
        (("network", "addresses", 1, "prefix"), 33, "The tally of pi-1: network: addresses[1]: prefix is 33 but"),
        (("network", "speed_mbps"), "918", "The tally of pi-1: network: speed_mbps is '918' but must be a number"),
    ],
)
def test_one_sentence_says_what_is_wrong(path, value, told):
    changed = copy.deepcopy(GOOD)
    parent_of(changed, path)[path[-1]] = value
    with pytest.raises(DroverError) as raised:
        read_tally(changed)
    assert str(raised.value).startswith(told)
    assert str(raised.value).endswith(": use what memory_info returned.")


@pytest.mark.parametrize("value", [None, [], "tally", 3])
def test_no_tally(value):
    with pytest.raises(DroverError, match=r"^One of the tallies is .* but must be a dictionary"):
        read_tally(value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        *((value, "") for value in (None, False, 0, "", " ", "false", "False", "no", "off", "0", "n")),
        *((value, BY_USER) for value in (True, 1, "true", "True", "yes", "on", "1", " y ")),
        (" on loan ", "on loan"),
        ("no memory", "no memory"),
    ],
)
def test_what_a_user_means_by_leaving_a_host_out(given, reason):
    assert exclusion(given) == reason
