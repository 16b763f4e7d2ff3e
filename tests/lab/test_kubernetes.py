# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's hosts as the nodes of a cluster, for real: needs root, and takes about four minutes from the caches."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from lab import names, sizes, state
from lab.kubernetes import images, oci, programs
from lab.limits import Group
from lab.test_lab import cut_off, lab, traces, write

NAME = "kubetest"
NODES = {
    "kube-1": {"suite": "trixie", "memory": "2GiB"},
    "kube-2": {"suite": "trixie", "memory": "1.5GiB"},
    "kube-3": {"suite": "trixie", "memory": "1GiB"},
}
SPEC = {
    "name": NAME,
    "subnet": "10.213.204.0/24",
    "kubernetes": {"control_plane": "kube-1", "nodes": list(NODES)},
    "hosts": {**NODES, "bare": {"memory": "256MiB", "suite": "trixie"}},
}
IDLE = "drover.invalid/idle:1"
SERVE = "mkdir /tmp/www && echo $(hostname) > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"


def kubectl(*arguments, given=None, check=True):
    """Run kubectl as a person would, with the lab's kubeconfig."""
    command = [programs.folder() / "kubectl", f"--kubeconfig={state.kubeconfig_path(NAME)}", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=240)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def found(*arguments):
    return json.loads(kubectl("get", *arguments, "--output=json").stdout)


def pod(name, node, image=images.TOOLS, command=None, memory=None):
    """A pod on that node, labelled by its own name."""
    container = {"name": "main", "image": image, "imagePullPolicy": "Never"}
    if command:
        container["command"] = ["sh", "-c", command]
    if memory:
        container["resources"] = {"limits": {"memory": memory}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"pod": name}},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }


def put(*objects):
    kubectl("apply", "--filename=-", given=yaml.safe_dump_all(objects))


def ask(asking, url):
    """Whether a pod gets an answer from an address, within the seconds that a refused one must not take."""
    done = kubectl("exec", asking, "--", "wget", "-q", "-O", "-", "-T", "5", url, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def restarts():
    """How often each container of the cluster was started again."""
    pods = found("pods", "--all-namespaces")["items"]
    return {
        one["metadata"]["name"]: [status["restartCount"] for status in one["status"]["containerStatuses"]]
        for one in pods
        if one["metadata"]["namespace"] == "kube-system"
    }


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    lab("down", NAME, check=False)
    path = write(tmp_path_factory.mktemp("spec"), SPEC)
    lab("up", path)
    yield path
    lab("down", path)


@pytest.fixture(scope="module")
def web(spec):
    """A web server on every node, which serves the pod's name, and a service before them; gives their addresses."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"serves": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    pods = [pod(f"web-{node}", node, command=SERVE) for node in NODES]
    for one in pods:
        one["metadata"]["labels"]["serves"] = "web"
    put(service, *pods)
    kubectl("wait", "pod", "--selector=serves=web", "--for=condition=Ready", "--timeout=120s")
    addresses = {one["metadata"]["name"]: one["status"]["podIP"] for one in found("pods", "-lserves=web")["items"]}
    assert len(addresses) == len(NODES)
    return addresses


def test_every_node_is_ready_with_the_memory_of_the_spec(spec):
    nodes = {node["metadata"]["name"]: node["status"] for node in found("nodes")["items"]}
    assert set(nodes) == set(NODES)
    for name, status in nodes.items():
        conditions = {one["type"]: one["status"] for one in status["conditions"]}
        assert conditions["Ready"] == "True"
        assert conditions["MemoryPressure"] == conditions["DiskPressure"] == "False"
        capacity = status["capacity"]["memory"]
        assert sizes.parse_memory(capacity.replace("Gi", "GiB").replace("Mi", "MiB").replace("Ki", "KiB")) == (
            sizes.parse_memory(NODES[name]["memory"])
        )
        assert status["nodeInfo"]["kubeletVersion"] == f"v{programs.VERSION}"


def test_nodes_divide_their_own_control_group_and_not_the_machines(spec):
    group = Group(names.group(NAME, "kube-2"))
    assert list((group.layout.memory / group.path).rglob("*kubepods*"))
    for pattern in ("*kubepods*", "*/*kubepods*"):
        assert not list(Path("/sys/fs/cgroup").glob(pattern))
    assert "KUBE" not in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout


def test_an_archive_is_loaded_into_every_node_and_runs_there(spec, tmp_path):
    layer, archive = tmp_path / "layer.tar", tmp_path / "idle.tar"
    oci.write_layer(layer, [oci.program("idle", programs.folder() / "pause")])
    oci.write_archive(archive, [oci.Image((IDLE,), (layer,), ("/idle",))], "amd64")
    assert "kube-1, kube-2, kube-3: idle.tar is there" in lab("load", f"{NAME}/all", archive).stdout
    put(*(pod(f"idle-{node}", node, IDLE) for node in NODES))
    pods = [f"pod/idle-{node}" for node in NODES]
    kubectl("wait", *pods, "--for=condition=Ready", "--timeout=60s")
    kubectl("delete", *pods)


@pytest.mark.parametrize(
    ("where", "file", "message"),
    [
        ("bare", "idle.tar", "Host bare of lab kubetest is no node of Kubernetes"),
        ("nobody", "idle.tar", "There is no host kubetest/nobody in any lab"),
        ("all", "none.tar", "none.tar is no OCI archive"),
        ("all", "text.tar", "text.tar is no OCI archive"),
        ("kube-3", "empty.tar", "On host kube-3 'set -e; ctr --namespace=k8s.io images import -' failed"),
    ],
)
def test_what_cannot_be_loaded_is_refused(spec, tmp_path, where, file, message):
    oci.write_layer(tmp_path / "idle.tar", [])
    oci.write_layer(tmp_path / "empty.tar", [])
    (tmp_path / "text.tar").write_text("no tar\n")
    refused = lab("load", f"{NAME}/{where}", tmp_path / file, check=False)
    assert refused.returncode == 1
    assert message in refused.stderr


def test_pods_reach_each_other_on_all_nodes_and_by_name(web):
    for asking in web:
        answers = {name: ask(asking, f"http://{address}:8080") for name, address in web.items()}
        assert answers == {name: name for name in web}
        assert ask(asking, "http://web.default.svc.cluster.local") in web


def test_pods_are_reached_from_the_machine_and_from_hosts_that_are_no_nodes(web):
    port = found("service", "web")["spec"]["ports"][0]["nodePort"]
    for name, address in web.items():
        wanted = f"curl --silent --fail --max-time 5 http://{address}:8080"
        assert lab("run", f"{NAME}/bare", "--", wanted).stdout.strip() == name
        assert subprocess.run(wanted.split(), capture_output=True, text=True).stdout.strip() == name
    for number in range(3):
        through = lab("run", f"{NAME}/bare", "--", f"curl --silent --max-time 5 http://10.213.204.{11 + number}:{port}")
        assert through.stdout.strip() in web


def test_a_network_policy_lets_in_whom_it_names_and_nobody_else(web):
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "only-friends"},
        "spec": {
            "podSelector": {"matchLabels": {"pod": "web-kube-3"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "web-kube-2"}}}]}],
        },
    }
    put(policy, pod("neighbour", "kube-3", command="sleep 1000"))
    try:
        kubectl("wait", "pod/neighbour", "--for=condition=Ready", "--timeout=60s")
        guarded = f"http://{web['web-kube-3']}:8080"
        # It takes effect a moment after it is there.
        for _ in range(20):
            if ask("web-kube-1", guarded) is None:
                break
        assert [ask(name, guarded) for name in ("web-kube-1", "neighbour", "web-kube-2")] == [None, None, "web-kube-3"]
        assert ask("web-kube-1", f"http://{web['web-kube-2']}:8080") == "web-kube-2"
    finally:
        kubectl("delete", "networkpolicy/only-friends", "pod/neighbour")
    for _ in range(20):
        if ask("web-kube-1", guarded):
            break
    assert ask("web-kube-1", guarded) == "web-kube-3"


def test_a_pod_over_its_limit_is_killed_and_nothing_else_is(web):
    before = restarts()
    put(pod("greedy", "kube-2", command="tail /dev/zero", memory="64Mi"))
    kubectl("wait", "pod/greedy", "--for=jsonpath={.status.phase}=Failed", "--timeout=60s")
    (status,) = found("pod", "greedy")["status"]["containerStatuses"]
    assert (status["state"]["terminated"]["reason"], status["state"]["terminated"]["exitCode"]) == ("OOMKilled", 137)
    kubectl("delete", "pod/greedy")
    assert restarts() == before
    assert ask("web-kube-2", f"http://{web['web-kube-2']}:8080") == "web-kube-2"


def test_a_second_up_leaves_the_cluster_alone(spec):
    before = restarts()
    output = lab("up", spec).stdout
    assert output.count("already running") == 4
    assert f"kubeconfig: {state.kubeconfig_path(NAME)}" in output
    assert lab("kubeconfig", NAME).stdout.strip() == str(state.kubeconfig_path(NAME))
    assert restarts() == before


def test_a_node_comes_back_after_a_power_cut_with_its_pods(spec):
    lasting = pod("lasting", "kube-3", command="sleep 1000")
    lasting["spec"]["restartPolicy"] = "Always"
    put(lasting)
    kubectl("wait", "pod/lasting", "--for=condition=Ready", "--timeout=60s")
    kubectl("label", "node", "kube-3", "kept=yes")
    lab("kill", f"{NAME}/kube-3")
    lab("start", f"{NAME}/kube-3")
    lab("up", spec)
    assert "kept" in found("node", "kube-3")["metadata"]["labels"]
    began_again = "jsonpath={.status.containerStatuses[0].restartCount}=1"
    kubectl("wait", "pod/lasting", f"--for={began_again}", "--timeout=120s")
    kubectl("wait", "pod/lasting", "--for=condition=Ready", "--timeout=60s")
    kubectl("delete", "pod/lasting")


def test_a_worker_that_is_made_anew_joins_again(spec):
    kubectl("label", "node", "kube-2", "kept=yes", "--overwrite")
    (state.host_directory(NAME, "kube-2") / "fingerprint.json").unlink()
    output = lab("up", spec).stdout
    assert "kube-2: made and booted" in output
    assert output.count("already running") == 3
    assert "kept" not in found("node", "kube-2")["metadata"]["labels"]
    put(pod("first", "kube-2", command=SERVE))
    kubectl("wait", "pod/first", "--for=condition=Ready", "--timeout=60s")


def test_down_leaves_nothing(spec):
    assert [line for line in traces(NAME) if " via " in line]
    lab("down", spec)
    assert traces(NAME) == []
    assert not list(Path("/sys/fs/cgroup").rglob("*kubepods*"))


def test_down_after_a_cut_off_up_leaves_nothing(spec):
    begun = state.host_directory(NAME, "kube-1") / "root/etc/kubernetes/pki"
    cut_off(spec, begun.exists)
    assert traces(NAME) != []
    lab("down", spec)
    assert traces(NAME) == []
