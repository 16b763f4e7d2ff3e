# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients reach the model through gateways, and nobody reaches it past them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading

import pytest
from cluster import LEADER, address, answers, host
from exposure import WELL_PROTECTED, exposure
from leaks import told_on
from playbook import play, refused, succeeded

GATEWAYS = ["old-server", "front"]
ALICE, BOB, NEW = "alices-key-of-the-lab", "bobs-key-of-the-lab", "alices-next-key-of-the-lab"
KEYS = {"alice": ALICE, "bob": BOB}
PORTS = {"old-server": 8443, "front": 443}
PAGE = {"Origin": "https://chat.lab.example"}
FOLDER = "/etc/drover/main/gateway"
UNIT = "drover-gateway@main.service"
SERVER = "drover-server@main.service"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def trusted() -> ssl.SSLContext:
    """What a client trusts that was given the authority of the cluster, and nothing else."""
    return ssl.create_default_context(cadata=host("front").file(f"{FOLDER}/authority.pem").content_string)


def begin(context, gateway, method="GET", path="/health", body=None, key=ALICE, more=None):
    connection = http.client.HTTPSConnection(address(gateway), PORTS[gateway], timeout=120, context=context)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(more or {})}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    answer.connection = connection
    return answer


def ask(context, gateway, question="Hello", key=ALICE):
    """Status, answer as JSON, headers."""
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 200}
    answer = begin(context, gateway, "POST", CHAT, body, key)
    found = answer.status, json.loads(answer.read()), answer.headers
    answer.connection.close()
    return found


def pid(name, unit):
    return host(name).check_output(f"systemctl show --property MainPID --value {unit}")


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_the_answers_are_right(trusted, gateway):
    for question, answer in answers():
        status, reply, headers = ask(trusted, gateway, question, BOB)
        assert (status, reply["choices"][0]["message"]["content"]) == (200, answer)
        assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_stream_comes_in_pieces(trusted, gateway):
    # So long that its first words are read before its last are there, however busy this machine is.
    body = {"messages": [{"role": "user", "content": answers()[0][0]}], "stream": True, "max_tokens": 200}
    answer = begin(trusted, gateway, "POST", CHAT, {**body, "ignore_eos": True})
    first = answer.read1()
    assert first.startswith(b"data:")
    assert b"[DONE]" not in first
    assert b"[DONE]" in answer.read()


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_who_has_no_key_is_refused(trusted, gateway):
    own = host(LEADER).file("/etc/drover/main/api_key").content_string.strip()
    for key in ("wrong-key-of-somebody", own):
        status, reply, _headers = ask(trusted, gateway, key=key)
        assert (status, reply["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize("path", ["/slots", "/metrics", "/tools", "/", "/lora-adapters"])
def test_what_is_not_the_api_is_not_there(trusted, path):
    assert begin(trusted, "front", path=path).status == 404


def test_old_tls_is_refused(trusted):
    old = ssl.create_default_context(cadata=host("front").file(f"{FOLDER}/authority.pem").content_string)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        begin(old, "front")


def test_nobody_comes_past_the_gateways():
    leader = address(LEADER)
    attempt = f"curl --silent --max-time 3 --output /dev/null --write-out '%{{http_code}}' http://{leader}:8080/health"
    assert host("pi-1").run(attempt).rc == 28  # no answer
    assert host("front").check_output(attempt) == "200"


def test_whom_the_leaders_owner_named_comes_past_them():
    connection = http.client.HTTPConnection(address(LEADER), 8080, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200


def test_a_page_that_was_named_may_ask_and_its_certificate_has_the_name_that_was_given(trusted):
    answer = begin(trusted, "front", "OPTIONS", CHAT, key="", more=PAGE)
    assert (answer.status, answer.getheader("Access-Control-Allow-Origin")) == (204, PAGE["Origin"])
    assert begin(trusted, "old-server", "OPTIONS", CHAT, key="", more=PAGE).status == 401
    plain = socket.create_connection((address("front"), 443), 10)
    with trusted.wrap_socket(plain, server_hostname="llm.lab.example") as wrapped:
        assert wrapped.version() == "TLSv1.3"


def test_what_is_too_large_is_refused(trusted):
    body = {"prompt": "x" * 70000}
    assert begin(trusted, "front", "POST", CHAT, body).status == 413


def test_each_gateway_has_its_owners_time_limit():
    timeouts = {
        name: host(name).check_output(f"grep 'timeout server' {FOLDER}/haproxy.cfg").split()[-1] for name in GATEWAYS
    }
    assert timeouts == {"old-server": "3600s", "front": "600s"}


def test_a_wish_that_cannot_be_had_is_refused_before_anything_is_touched():
    wishes = {"gateway_api_keys": KEYS, "gateway_tls": False}
    refused(play("site", settings=wishes), "The gateway of front would listen on 0.0.0.0 without TLS")
    refused(play("site", settings={"gateway_api_keys": {"alice": "short"}}), "The key of alice in gateway_api_keys")


def test_llama_server_lets_no_page_ask():
    asked = f"curl --silent --head --header 'Origin: https://evil.example' http://{address(LEADER)}:8080/health"
    said = host(LEADER).check_output(asked).lower()
    assert "access-control-allow-origin: https://none.invalid" in said
    assert "evil.example" not in said


def test_the_owners_firewall_and_haproxy_are_as_they_were_but_for_one_rule():
    rules = [line for line in host("front").check_output("ufw status").splitlines() if "ALLOW" in line]
    # One rule, which ufw shows for IPv6 once more.
    assert len([line for line in rules if "443" in line and "(v6)" not in line]) == 1
    assert all("443" in line or "22/tcp" in line for line in rules)
    assert host(LEADER).check_output("curl --silent http://127.0.0.1:9000/") == "hello"
    assert host("front").run("systemctl is-active haproxy.service").stdout.strip() != "active"


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_it_may_do_little(gateway):
    assert exposure(gateway, UNIT) <= WELL_PROTECTED


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_keys_are_nowhere_to_be_read(gateway):
    own = host(LEADER).file("/etc/drover/main/api_key").content_string.strip()
    assert " bob POST /v1/chat/completions 200 " in host(gateway).check_output(f"journalctl --unit {UNIT} --no-pager")
    # Those of clients are known by what they hash to, also to the gateway.
    files = host(gateway).check_output(f"cat {FOLDER}/haproxy.cfg {FOLDER}/keys")
    for key in (own, *KEYS.values()):
        assert key not in files
        assert told_on(gateway, key) == []
    for name in ("keys", "leader_key", "certificate.pem"):
        file = host(gateway).file(f"{FOLDER}/{name}")
        assert (file.user, file.group, file.mode) == ("root", "drover", 0o640)


@pytest.fixture
def own(tmp_path):
    """A certificate of the owner's own, as settings, and a context that trusts it."""
    names = ",".join(f"IP:{address(name)}" for name in GATEWAYS)
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=own"]
    pem, key = str(tmp_path / "own.pem"), str(tmp_path / "own.key")
    made = ["openssl", "req", "-x509", *kind, "-addext", f"subjectAltName={names}", "-out", pem, "-keyout", key]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.create_default_context(cafile=pem)
    return {"gateway_certificate_file": pem, "gateway_private_key_file": key}, context


def test_keys_and_certificates_change_while_all_goes_on(trusted, own):
    files, trusts_own = own
    before = {name: (pid(name, UNIT), name == LEADER and pid(name, SERVER)) for name in GATEWAYS}
    wishes = {"gateway_api_keys": {"alice": NEW}, "gateway_hold_seconds": 15, **files}
    done = succeeded(play("site", settings=wishes, diff=True, tags="gateway"))
    for secret in (ALICE, BOB, NEW, "PRIVATE KEY"):
        assert secret not in done.said
    for name in GATEWAYS:
        assert ask(trusts_own, name, key=NEW)[0] == 200
        assert ask(trusts_own, name, key=ALICE)[0] == 401
        assert ask(trusts_own, name, key=BOB)[0] == 401
    assert before == {name: (pid(name, UNIT), name == LEADER and pid(name, SERVER)) for name in GATEWAYS}
    succeeded(play("site", settings={"gateway_api_keys": KEYS, "gateway_hold_seconds": 15}, tags="gateway"))
    assert ask(trusted, "front")[0] == 200


def test_without_a_leader_requests_wait_and_are_refused_with_a_time_to_come_again(trusted):
    host(LEADER).check_output(f"systemctl stop {SERVER}")
    status, reply, headers = ask(trusted, "front")
    assert (status, reply["error"]["type"]) == (503, "unavailable_error")
    assert int(headers["Retry-After"]) > 0
    health = begin(trusted, "front")
    assert (health.status, json.loads(health.read())["error"]["code"]) == (503, 503)
    got = []
    waiting = threading.Thread(target=lambda: got.append(ask(trusted, "front")[0]))
    waiting.start()
    host(LEADER).check_output(f"systemctl start {SERVER}")
    waiting.join(60)
    assert got == [200]
    succeeded(play("status"))
