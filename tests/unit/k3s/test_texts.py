# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and texts: a Pi's command line, settings, tokens, kubeconfigs, certificates."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from module_utils.errors import DroverError
from module_utils.k3s import boot_command, certificate, configuration, kubeconfig, secrets, tokens

CA = "0" * 64


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("console=tty1 rootwait", "console=tty1 rootwait cgroup_enable=memory"),
        ("console=tty1 rootwait\n\n", "console=tty1 rootwait cgroup_enable=memory"),
        ("cgroup_disable=memory rootwait", "rootwait cgroup_enable=memory"),
        ("cgroup_disable=memory,pids rootwait", "cgroup_disable=pids rootwait cgroup_enable=memory"),
        ("a cgroup_enable=memory b", "a cgroup_enable=memory b"),
    ],
)
def test_a_command_line_gets_the_memory_controller(text, fixed):
    assert boot_command.with_memory_controller(text, "cmdline.txt") == fixed + "\n"
    assert boot_command.with_memory_controller(fixed, "cmdline.txt") == fixed + "\n"


@pytest.mark.parametrize("text", ["", "\n", "one line\nand another\n"])
def test_a_command_line_of_not_one_line_is_refused(text):
    with pytest.raises(DroverError, match=r"/boot/cmdline.txt has \d lines where the firmware reads one"):
        boot_command.with_memory_controller(text, "/boot/cmdline.txt")


def test_settings_are_read_as_they_were_written():
    wished = {"node-name": "pi-1", "disable": ["traefik"], "cluster-init": True, "odd": "a: b #c"}
    text = configuration.render(wished)
    assert configuration.read_ours(text) == wished
    assert configuration.read_ours(text.strip()) == wished
    assert text == configuration.render(dict(reversed(wished.items())))


@pytest.mark.parametrize("text", [None, "", "node-name: pi-1\n", configuration.HEADER + "node-name: [\n"])
def test_settings_of_others_are_not_ours(text):
    assert configuration.read_ours(text) is None


@pytest.mark.parametrize(
    ("text", "digest", "user", "password"),
    [
        (f"K10{CA}::server:abc\n", CA, "server", "abc"),
        (f"K10{CA}::node:a-b.c", CA, "node", "a-b.c"),
        (f"K10{CA}::abcdef.0123456789abcdef", CA, "", "abcdef.0123456789abcdef"),
        ("simple", None, "server", "simple"),
    ],
)
def test_tokens_are_read(text, digest, user, password):
    assert tokens.parse_token(text, "k3s_token") == tokens.Token(digest, user, password)


@pytest.mark.parametrize("text", ["", "K10", "K10abc::server:hidden", "two hidden", "user:hidden", None])
def test_what_is_no_token_is_refused_without_being_told(text):
    with pytest.raises(DroverError, match="k3s_token is no token of K3s") as caught:
        tokens.parse_token(text, "k3s_token")
    assert "hidden" not in str(caught.value)


OF_SERVERS, OF_AGENTS = f"K10{CA}::server:lead", f"K10{CA}::node:work"


def given(**changes):
    return {"token": "", "agent_token": "", "datastore_endpoint": "", "anchor": False, "made": "made", **changes}


@pytest.mark.parametrize(
    ("cluster", "part", "told", "wanted"),
    [
        ([], "server", given(anchor=True), {"agent-token": "made"}),
        (["", ""], "server", given(anchor=True, token="t", agent_token="a"), {"agent-token": "a", "token": "t"}),
        ([OF_SERVERS, OF_AGENTS], "server", given(anchor=True), {"agent-token": "work"}),
        ([OF_SERVERS, OF_AGENTS], "server", given(), {"agent-token": "work", "token": OF_SERVERS}),
        ([OF_SERVERS, OF_AGENTS], "agent", given(), {"token": OF_AGENTS}),
        ([OF_SERVERS, OF_AGENTS], "agent", given(datastore_endpoint="pg"), {"token": OF_AGENTS}),
        (
            [OF_SERVERS, OF_AGENTS],
            "server",
            given(datastore_endpoint="pg", token="lead"),
            {"agent-token": "work", "token": OF_SERVERS, "datastore-endpoint": "pg"},
        ),
    ],
)
def test_each_host_gets_what_it_joins_with_and_no_more(cluster, part, told, wanted):
    assert configuration.read_ours(secrets.render(cluster, part, told)) == wanted


@pytest.mark.parametrize("changes", [{"token": "other"}, {"agent_token": "other"}])
def test_a_running_clusters_tokens_are_not_changed(changes):
    with pytest.raises(DroverError, match="is not what the cluster has") as caught:
        secrets.render([OF_SERVERS, OF_AGENTS], "server", given(**changes))
    assert not {"other", "lead", "work"} & set(str(caught.value).split())


OF_K3S = {
    "clusters": [
        {"name": "default", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "ca"}}
    ],
    "users": [{"name": "default", "user": {"client-key-data": "key"}}],
}
URL = "https://192.168.1.11:6443"


def context(name, server, authority="other"):
    return {
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": "x"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def test_a_kubeconfig_gets_the_address_and_a_name_of_its_own():
    made = kubeconfig.for_elsewhere(OF_K3S, URL, "pis")
    assert made["clusters"] == [{"name": "pis", "cluster": {"server": URL, "certificate-authority-data": "ca"}}]
    assert made["contexts"] == [{"name": "pis", "context": {"cluster": "pis", "user": "pis"}}]
    assert made["current-context"] == "pis"
    assert kubeconfig.merged(None, made) == kubeconfig.merged({}, made) == made


def test_other_clusters_of_a_kubeconfig_stay_and_so_does_the_current_one():
    made = kubeconfig.for_elsewhere(OF_K3S, URL, "pis")
    both = kubeconfig.merged(context("work", "https://work.lan"), made)
    assert [entry["name"] for entry in both["contexts"]] == ["work", "pis"]
    assert both["current-context"] == "work"
    assert kubeconfig.merged(both, made) == both


@pytest.mark.parametrize(("server", "authority"), [(URL, "other"), ("https://old.lan", "ca")])
def test_the_same_cluster_is_replaced(server, authority):
    made = kubeconfig.for_elsewhere(OF_K3S, URL, "pis")
    assert kubeconfig.merged(context("pis", server, authority), made)["clusters"] == made["clusters"]


def test_another_cluster_of_that_name_is_not_overwritten():
    with pytest.raises(DroverError, match=r"another cluster 'pis' already .*: set k3s_kubeconfig_context"):
        kubeconfig.merged(context("pis", "https://work.lan"), kubeconfig.for_elsewhere(OF_K3S, URL, "pis"))


@pytest.mark.parametrize("document", [{}, {"clusters": []}, {"clusters": None}])
def test_an_unfinished_kubeconfig_is_refused(document):
    with pytest.raises(DroverError, match=r"no one entry in clusters: see whether the server has started"):
        kubeconfig.for_elsewhere(document, URL, "pis")


# A certificate signed by itself, made by openssl 3.0, which says of it: notAfter=Jan  5 05:31:47 2031 GMT.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBbDCCAROgAwIBAgIUbCctSSaDCa5whRmMY8X6hrDxzMowCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjcwNTMxNDdaFw0zMTAxMDUwNTMxNDdaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARnjwy1Y0vSpvwe
l9lDBCaWqjATAAR8fEE3wEl24ySDsF11zdXDD2o5RZNGhARye3ZtllevK8pHXr4U
by07YW1uo1MwUTAdBgNVHQ4EFgQUFQYPHQzI0Yt3FlLUYuLpSIJzsd4wHwYDVR0j
BBgwFoAUFQYPHQzI0Yt3FlLUYuLpSIJzsd4wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNHADBEAiA9+Aqt1wm6BcJ+zeAF8S4MmhjnmSQQcRosQ9iBPMTx+AIg
J+cDhSBl0stMWqzwJnVBtBSZe8D+osoVtInFfVlsjXs=
-----END CERTIFICATE-----
"""


def test_a_certificate_tells_when_it_ends():
    wanted = datetime(2031, 1, 5, 5, 31, 47, tzinfo=timezone.utc)
    assert certificate.ends_at("# before it\n" + CERTIFICATE, "a.crt") == wanted


@pytest.mark.parametrize(
    "text",
    ["", "no certificate", CERTIFICATE.replace("MII", "AAA"), CERTIFICATE[:120] + "\n-----END CERTIFICATE-----\n"],
)
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(DroverError, match=r"a.crt is no certificate in PEM format"):
        certificate.ends_at(text, "a.crt")
