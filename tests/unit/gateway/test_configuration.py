# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan and wishes to what a gateway does, and from keys to what it knows of them."""

from __future__ import annotations

import hashlib

import pytest
from module_utils.errors import DroverError
from module_utils.gateway.configuration import GET_PATHS, POST_PATHS, configure
from module_utils.gateway.keys import key_lines
from module_utils.gateway.settings import Settings
from module_utils.serving.deploy import deploy
from unit.serving.clusters import MODEL, PROGRAMS, address, plan, tallies, tally

OUTSIDE = tally("front", address("10.0.0.99"), address("172.17.0.1", "172.17.0.0/16", "bridge"))
LONG = "x" * 16


def deployments(leader_address="", gateways=(), **wishes):
    programs = dict.fromkeys(("head", "pi-1", "pi-2"), PROGRAMS)
    settings = {"head": {"llama_server_address": leader_address, "llama_server_allow_public_address": True, **wishes}}
    return deploy(plan(), tallies(), programs, MODEL, settings, gateways=gateways)


def configured(host="front", own=OUTSIDE, leader_address="", **wishes):
    return configure(host, plan(), deployments(leader_address), own, Settings.from_dict(wishes))


def test_a_gateway_outside_listens_in_the_clusters_network_and_asks_the_leader():
    assert configured() == {
        "cluster": "main",
        "host": "front",
        "listen": {"address": "10.0.0.99", "port": 8443},
        "tls": True,
        "url": "https://10.0.0.99:8443",
        "names": ["10.0.0.99", "front"],
        "leaders": [{"host": "head", "address": "10.0.0.1", "port": 8080, "health_port": None}],
        "get_paths": list(GET_PATHS),
        "post_paths": list(POST_PATHS),
        "most_bytes": 16 << 20,
        "hold_seconds": 60,
        "timeout_seconds": 3600,
        "cors_origins": [],
    }


@pytest.mark.parametrize(
    "wishes, name, expected",
    [
        ({"gateway_address": "0.0.0.0"}, "url", "https://10.0.0.99:8443"),
        ({"gateway_address": "0.0.0.0"}, "names", ["10.0.0.99", "front"]),
        ({"gateway_address": "fd00::99", "gateway_port": 443}, "url", "https://[fd00::99]:443"),
        ({"gateway_tls": False}, "url", "http://10.0.0.99:8443"),
        ({"gateway_names": ["llm.home.example", "front"]}, "names", ["10.0.0.99", "front", "llm.home.example"]),
        ({"gateway_cors_origins": ["https://a.example:8000"]}, "cors_origins", ["https://a.example:8000"]),
        ({"gateway_most_bytes": 5000}, "most_bytes", 5000),
        ({"gateway_hold_seconds": 0}, "hold_seconds", 0),
        ({"gateway_timeout": 5}, "timeout_seconds", 5),
    ],
)
def test_every_wish_takes_effect(wishes, name, expected):
    assert configured(**wishes)[name] == expected


def test_a_host_of_the_cluster_listens_where_the_plan_knows_it():
    found = configured("pi-1", tallies()[1])
    assert found["listen"]["address"] == "10.0.0.11"


def test_the_leader_is_reached_where_it_listens():
    assert configured(leader_address="0.0.0.0")["leaders"][0]["address"] == "10.0.0.1"
    assert configured("head", tallies()[0], leader_address="127.0.0.1")["leaders"][0]["address"] == "127.0.0.1"
    with pytest.raises(DroverError, match=r"listens on 127\.0\.0\.1, where the gateway on front does not reach it"):
        configured(leader_address="127.0.0.1")


def test_a_leader_that_heals_itself_is_asked_for_its_health():
    healing = deployments()
    healing["head"]["healing"] = {"port": 8081}
    found = configure("front", plan(), healing, OUTSIDE, Settings())
    assert found["leaders"][0]["health_port"] == 8081


@pytest.mark.parametrize(
    "wishes, told",
    [
        ({"gateway_port": 0}, "gateway_port is 0"),
        ({"gateway_port": 65536}, "gateway_port is 65536"),
        ({"gateway_most_bytes": 1}, "gateway_most_bytes is 1"),
        ({"gateway_hold_seconds": -1}, "gateway_hold_seconds is -1"),
        ({"gateway_timeout": 0}, "gateway_timeout is 0"),
        ({"gateway_address": "front.lan"}, "gateway_address is 'front.lan'"),
        ({"gateway_names": ["a b"]}, "gateway_names has 'a b'"),
        ({"gateway_cors_origins": ["*"]}, "gateway_cors_origins has '*'"),
        ({"gateway_cors_origins": ["https://a.example/"]}, "gateway_cors_origins has 'https://a.example/'"),
        ({"gateway_cors_origins": ["https://a.example } || TRUE"]}, "gateway_cors_origins has"),
        ({"gateway_tls": False, "gateway_address": "0.0.0.0"}, "would listen on 0.0.0.0 without TLS"),
        ({"gateway_tls": False, "gateway_address": "5.5.5.5"}, "would listen on 5.5.5.5 without TLS"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wishes, told):
    with pytest.raises(DroverError) as caught:
        configured(**wishes)
    assert told in str(caught.value)


def test_no_path_shows_or_changes_more_than_a_clients_own_request():
    for path in ("/slots", "/metrics", "/lora-adapters", "/tools", "/cors-proxy", "/models/load", "/health"):
        assert path not in GET_PATHS + POST_PATHS
    assert "/props" not in POST_PATHS


def test_the_leader_lets_in_gateways_alone_and_whom_its_owner_names():
    assert deployments()["head"]["allow"] is None
    assert deployments(gateways=[OUTSIDE])["head"]["allow"] == ["10.0.0.99"]
    named = deployments(gateways=[OUTSIDE], llama_server_allowed_addresses=["10.9.0.0/16"])
    assert named["head"]["allow"] == ["10.0.0.99", "10.9.0.0/16"]
    alone = deployments(llama_server_allowed_addresses=["10.9.0.0/16"])
    assert alone["head"]["allow"] == ["10.9.0.0/16"]
    assert alone["pi-1"]["allow"] == deployments()["pi-1"]["allow"]


def test_keys_are_known_by_what_they_hash_to():
    lines = key_lines({"bob": LONG + "b", "alice": LONG + "a"})
    hashes = [hashlib.sha256(f"{LONG}{letter}".encode()).hexdigest() for letter in "ab"]
    assert lines == [f"{hashes[0]} alice", f"{hashes[1]} bob"]


@pytest.mark.parametrize(
    "keys, told",
    [
        ({"alice": "secret"}, "The key of alice in gateway_api_keys"),
        ({"alice": LONG + " y"}, "The key of alice in gateway_api_keys"),
        ({"alice": LONG + "\n"}, "The key of alice in gateway_api_keys"),
        ({"alice": 1234567890123456789}, "The key of alice in gateway_api_keys"),
        ({"alice b": LONG}, "gateway_api_keys has the name 'alice b'"),
        ({"": LONG}, "gateway_api_keys has the name ''"),
        ({"alice": LONG, "bob": LONG}, "alice and bob have the same key in gateway_api_keys"),
    ],
)
def test_what_is_no_key_is_refused_and_not_told(keys, told):
    with pytest.raises(DroverError) as caught:
        key_lines(keys)
    assert told in str(caught.value)
    for key in keys.values():
        assert str(key) not in str(caught.value)
