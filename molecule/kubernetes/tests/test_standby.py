# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A leader whose node loses its power: the pod that stands by leads in its place, and never beside it."""

from __future__ import annotations

import json
import time

import pytest
from cluster import Api, answers, scenario_lab
from kubernetes_cluster import DROVER, NODES, asked, eventually, found, in_pod, kubectl, kubernetes, lab, parts, plan
from playbook import refused, succeeded

QUESTION, ANSWER = answers()[0]
# Not that of the control plane: without the API nobody takes over.
LEADER = "kube-2"
WISHES = {"placement_standby": 1, "kubernetes_leader": LEADER}
# The lease is over after 15 s, and a standby that has it starts and loads the model. The Service sends some requests to
# the pod on the dead node until Kubernetes notices.
OVER_SECONDS = 15.0 + 20.0 + 55.0
KIND = "deployments,pods,services,configmaps,secrets,networkpolicies,leases,roles,rolebindings,serviceaccounts"
# What the token of the pod may do.
ASK = """
import os, ssl, sys, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
trusted = ssl.create_default_context(cafile=folder + "ca.crt")
trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
place = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
for path in sys.argv[1:]:
    asked = urllib.request.Request(place + path, headers={"Authorization": "Bearer " + open(folder + "token").read()})
    try:
        print(urllib.request.urlopen(asked, context=trusted).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
SERVES = """
import os
names = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        names.append(os.path.basename(open(f"/proc/{pid}/cmdline").read().split(chr(0))[0]))
    except OSError:
        continue
print(names.count("llama-server"))
"""


def run(name="kubernetes", **settings):
    return kubernetes(name, **{**WISHES, **settings})


@pytest.fixture(scope="module", autouse=True)
def deployed():
    succeeded(run())
    yield
    succeeded(run("kubernetes_reset", reset_confirm="true", reset_models="true"))


@pytest.fixture(scope="module")
def standby(deployed):
    leader, other = plan()["leaders"]
    assert leader == LEADER
    return other


@pytest.fixture
def patient(api):
    """One who does not wait for a pod that is not there."""
    return Api(api.url, api.key, seconds=10)


def leads():
    """The node of the pod that has the lease."""
    return found("lease", "drover-main-lease")["spec"].get("holderIdentity", "").partition("_")[0]


def ready(node):
    pod = parts("leader").get(node, {"status": {}})
    return {"type": "Ready", "status": "True"}.items() <= next(
        (each for each in pod["status"].get("conditions", []) if each["type"] == "Ready"), {}
    ).items()


def serves(node):
    """How many llama-server run in the leader's pod there."""
    done = in_pod(parts("leader")[node], "leader", DROVER[0], "-c", SERVES)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def told(node):
    return in_pod(parts("leader")[node], "leader", *DROVER, "status", "--cluster", "main").stdout


def answers_again(api, what):
    began = time.monotonic()
    eventually(lambda: asked(api, QUESTION) == ANSWER, OVER_SECONDS)
    print(f"\n{what}: answers again after {time.monotonic() - began:.1f} s")


def container(node):
    return next(each for each in parts("leader")[node]["spec"]["containers"] if each["name"] == "leader")


def test_each_node_that_may_lead_has_a_pod_and_one_of_them_leads(standby, api):
    assert sorted(parts("leader")) == sorted([LEADER, standby])
    assert leads() == LEADER
    assert (ready(LEADER), ready(standby)) == (True, False)
    assert (serves(LEADER), serves(standby)) == (1, 0)
    assert told(standby) == f"Stands by; {LEADER} leads.\n"
    assert sorted(parts("worker")) == sorted(set(NODES) - {LEADER})
    # It waits beside its node's worker, and takes what that has when it leads.
    given = container(standby)["resources"]
    assert given["requests"]["memory"] == str(96 << 20)
    assert int(given["limits"]["memory"]) > 96 << 20
    assert api.ask(QUESTION) == ANSWER


def test_status_says_who_leads_and_who_stands_by(standby):
    assert f"{LEADER} leads, {standby} stands by" in succeeded(run("kubernetes_status")).said


def test_a_second_run_changes_nothing():
    succeeded(run())
    assert set(succeeded(run()).changed.values()) == {0}


def test_its_token_is_good_for_the_lease_alone(standby):
    leases = "/apis/coordination.k8s.io/v1/namespaces/drover/leases"
    paths = [
        f"{leases}/drover-main-lease",
        leases,
        f"{leases}/other",
        "/api/v1/namespaces/drover/secrets",
        "/api/v1/nodes",
    ]
    done = in_pod(parts("leader")[standby], "leader", DROVER[0], "-c", ASK, *paths)
    assert done.stdout.split() == ["200", "403", "403", "403", "403"], done.stderr
    # Nobody else has one.
    for part, name in (("leader", "watch"), ("worker", "worker")):
        pod = parts(part)[standby]
        assert in_pod(pod, name, DROVER[0], "-c", ASK, leases).returncode != 0


def test_a_drain_takes_one_pod_at_a_time():
    assert found("poddisruptionbudget", "drover-main")["status"]["disruptionsAllowed"] == 1


def test_a_standby_leads_when_the_leaders_node_loses_its_power(standby, patient):
    lab("kill", f"{scenario_lab()}/{LEADER}")
    try:
        answers_again(patient, "the leader's node is lost")
        assert leads() == standby
        eventually(lambda: ready(standby), 30)
        assert serves(standby) == 1
        assert "Healthy since" in told(standby)
    finally:
        lab("start", f"{scenario_lab()}/{LEADER}")


def test_the_leader_that_is_back_stands_by(standby, patient):
    deadline = time.monotonic() + 300
    while told(LEADER) != f"Stands by; {standby} leads.\n":
        assert time.monotonic() < deadline
        # Whatever is still there of before.
        assert serves(standby) == 1 and leads() == standby
        time.sleep(2)
    assert (serves(LEADER), serves(standby)) == (0, 1)
    eventually(lambda: not ready(LEADER) and ready(standby), 60)
    assert asked(patient, QUESTION) == ANSWER
    deadline = time.monotonic() + 120
    while (status := kubernetes("kubernetes_status", **WISHES)).status:
        assert time.monotonic() < deadline, status.said
    assert f"{standby} leads, {LEADER} stands by" in succeeded(run("kubernetes_status")).said


def test_a_run_has_the_leader_lead_again_with_all(standby, api):
    succeeded(run())
    assert leads() == LEADER
    assert (ready(LEADER), serves(LEADER), serves(standby)) == (True, 1, 0)
    assert told(standby) == f"Stands by; {LEADER} leads.\n"
    said = in_pod(parts("leader")[LEADER], "leader", *DROVER, "status", "--cluster", "main", "--json")
    assert sorted({each["host"] for each in json.loads(said.stdout)["plan"]["devices"]}) == sorted(
        set(NODES) - {LEADER}
    )
    assert api.ask(QUESTION) == ANSWER
    assert set(succeeded(run()).changed.values()) == {0}


def test_a_pod_that_is_deleted_leaves_the_lease_to_the_next_of_its_node_or_to_the_standby(standby, patient):
    gone = parts("leader")[LEADER]["metadata"]
    assert kubectl("delete", "pod", gone["name"], "--wait=false").returncode == 0
    answers_again(patient, "the leader's pod is deleted")
    one = leads()
    other = standby if one == LEADER else LEADER
    eventually(lambda: told(other) == f"Stands by; {one} leads.\n", 120)
    assert (serves(one), serves(other)) == (1, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kubernetes_healing": "false"}, "and kubernetes_healing is false"),
        ({"kubernetes_workers": "daemonset"}, "whose workers have one leader, and placement_standby is 1"),
        ({"kubernetes_exclude": ["kube-1", "kube-3"]}, f"no host could lead without {LEADER}"),
        ({"placement_standby": 3}, "placement_standby is 3 but must be a whole number from 0 to 2"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_changed(settings, words):
    before = {node: pod["metadata"]["uid"] for node, pod in parts("leader").items()}
    refused(run(**settings), words)
    assert {node: pod["metadata"]["uid"] for node, pod in parts("leader").items()} == before


def test_without_a_standby_nothing_of_it_is_left(api):
    succeeded(run(placement_standby=0))
    assert sorted(parts("leader")) == [LEADER]
    for kind in ("leases", "roles", "rolebindings"):
        assert "drover" not in kubectl("get", kind, "--output=name").stdout
    assert api.ask(QUESTION) == ANSWER


def test_reset_leaves_nothing():
    succeeded(run())
    succeeded(run("kubernetes_reset", reset_confirm="true"))
    assert "drover" not in kubectl("get", KIND, "--all-namespaces", "--output=name").stdout
