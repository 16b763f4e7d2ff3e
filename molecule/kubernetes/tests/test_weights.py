# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start of the leader sends to the pods of its workers, by the counter of an interface: everything as llama.cpp
does it, and next to nothing once it was placed in their nodes' caches. Nothing is left in the end."""

from __future__ import annotations

import json

import make_random_model
import pytest
from cluster import host
from kubernetes_cluster import DROVER, EPHEMERAL, NODES, eventually, found, in_pod, kubectl, kubernetes, parts, plan
from playbook import succeeded

# Not that of the control plane, which has much to say to other nodes.
LEADER, WORKERS = "kube-2", ["kube-1", "kube-3"]
SPLIT = {LEADER: 1, "kube-1": 2, "kube-3": 2}
OTHER_SPLIT = {LEADER: 1, "kube-1": 1, "kube-3": 3}
FOLDER = "/var/cache/drover"
CACHE = {"host_path": FOLDER}
KINDS = ("held", "spare")
# A task of a run that has something to place.
PLACES = "Run the pods that place"
MIB = 1 << 20
# There are heads of packets and acknowledgements, and what the node tells the control plane.
SLACK, MORE = 1.05, 4 * MIB


@pytest.fixture(scope="module")
def model():
    """Four blocks of 95 MB, nearly all in tensors of more than 10 MiB."""
    path = EPHEMERAL / "random.gguf"
    shape = ["--blocks", "4", "--embedding", "2560", "--feed-forward", "4096"]
    make_random_model.write(path, make_random_model.parse([str(path), *shape]))
    return path


@pytest.fixture(scope="module")
def deploy(model):
    """Have the model served; the one layout, unless another is named, so that what is sent can be compared."""

    def run(name="kubernetes", split=SPLIT, **settings):
        return succeeded(
            kubernetes(
                name,
                gguf_model_path=str(model),
                kubernetes_leader=LEADER,
                placement_split=split,
                kubernetes_healing=False,
                **settings,
            )
        )

    return run


def sent():
    """Bytes that have left the leader's node."""
    return int(host(LEADER).check_output("cat /sys/class/net/host0/statistics/tx_bytes"))


def answers():
    """Whether the leader's pod gives a completion, through all layers."""
    command = [*DROVER, "complete", "--cluster", "main", "--timeout", "20"]
    return any(in_pod(pod, "leader", *command).returncode == 0 for pod in parts("leader").values())


def start():
    """Bytes that leave the leader's node from when its pod goes until another one answers."""
    (pod,) = parts("leader").values()
    before = sent()
    deleted = kubectl("delete", "pod", pod["metadata"]["name"])
    assert deleted.returncode == 0, deleted.stderr
    eventually(answers, 300)
    return sent() - before


def received():
    """Bytes that have come to the workers' pods since they are there: not what was placed, which came to others."""
    read = "print(open('/sys/class/net/eth0/statistics/rx_bytes').read())"
    told = [in_pod(pod, "worker", DROVER[0], "-c", read) for pod in parts("worker").values()]
    assert not [each.stderr for each in told if each.returncode]
    return sum(int(each.stdout) for each in told)


def tensors():
    """Node -> name and bytes of the tensors that are kept on it."""
    find = f"find {FOLDER} -type f -name '????????????????' -printf '%f %s\\n' 2>/dev/null || true"
    lines = {node: host(node).check_output(find).splitlines() for node in NODES}
    return {node: {name: int(size) for name, size in map(str.split, found)} for node, found in lines.items()}


def cached():
    """Node -> bytes of the tensors that are kept on it."""
    return {node: sum(found.values()) for node, found in tensors().items()}


def known(pod):
    """What a worker's pod knows of what its cache is to have; None where it knows nothing."""
    read = in_pod(pod, "worker", DROVER[0], "-c", "print(open('/etc/drover/main/weights.json').read())")
    return json.loads(read.stdout) if read.returncode == 0 else None


def test_the_first_start_sends_what_no_cache_saves(deploy):
    deploy()
    assert sorted(parts("worker")) == WORKERS
    predicted = plan()["predicted"]
    everything, rest = predicted["load_bytes_over_network"], predicted["load_bytes_once_cached"]
    # A start without a cache sends all of it, the second as well as the first.
    stock = start()
    assert everything <= stock < everything * SLACK + MORE
    assert set(cached().values()) == {0}
    run = deploy(kubernetes_cache=CACHE)
    assert PLACES in run.said
    assert plan()["predicted"]["load_bytes_once_cached"] == rest
    kept = cached()
    assert {node for node, size in kept.items() if size} == set(WORKERS)
    assert sum(kept.values()) == everything - rest
    # The pods have been there since the cache was filled.
    assert rest <= received() < 0.18 * stock
    again = start()
    assert rest <= again < rest * SLACK + MORE
    assert cached() == kept
    assert not [pod for part in ("offerer", "placer") for pod in parts(part)]


def test_a_second_run_has_nothing_to_place(deploy):
    run = deploy(kubernetes_cache=CACHE)
    assert set(run.changed.values()) == {0}
    assert PLACES not in run.said


def test_a_worker_that_is_replaced_has_it_still(deploy):
    """The folder is its node's."""
    kept = cached()
    for pod in parts("worker").values():
        deleted = kubectl("delete", "pod", pod["metadata"]["name"])
        assert deleted.returncode == 0, deleted.stderr
    for node in WORKERS:
        waited = kubectl("rollout", "status", f"deployment/drover-main-worker-{node}", "--timeout=120s")
        assert waited.returncode == 0, waited.stderr
    eventually(answers, 300)  # the leader that they were taken from has begun anew
    assert start() < plan()["predicted"]["load_bytes_once_cached"] * SLACK + MORE
    assert cached() == kept


def test_a_new_split_moves_only_the_difference(deploy):
    kept, before = tensors(), sent()
    deploy(split=OTHER_SPLIT, kubernetes_cache=CACHE)
    moved, predicted = sent() - before, plan()["predicted"]
    now = tensors()
    assert now["kube-1"] == kept["kube-1"]
    new = sum(size for name, size in now["kube-3"].items() if name not in kept["kube-3"])
    # One block of the four changes places.
    assert 0 < new < 0.6 * sum(kept["kube-1"].values())
    # The leader may begin twice while pods are replaced, and a run takes a while.
    assert new < moved < (new + 2 * predicted["load_bytes_once_cached"]) * SLACK + 4 * MORE


def test_with_a_spread_of_two_each_tensor_is_on_one_more_node(deploy):
    deploy(split=OTHER_SPLIT, kubernetes_cache={**CACHE, "spread": 2})
    now = tensors()
    assert now["kube-1"] == now["kube-3"] != {}
    told = found("configmap", "drover-main-weights")["data"]
    weights = {node: json.loads(told[f"{node}.json"]) for node in WORKERS}
    hashes = {node: {each: {tensor["hash"] for tensor in weights[node][each]} for each in KINDS} for node in WORKERS}
    assert hashes["kube-1"]["spare"] == hashes["kube-3"]["held"] - hashes["kube-1"]["held"]
    assert hashes["kube-3"]["spare"] == hashes["kube-1"]["held"] - hashes["kube-3"]["held"]
    # A worker's pod comes to know it, also one that stays, so that it does not prune what nobody reads.
    eventually(lambda: {node: known(pod) for node, pod in parts("worker").items()} == weights, 180)


def test_nothing_is_left(deploy):
    deploy("kubernetes_reset", kubernetes_cache=CACHE, reset_confirm="true", reset_models="true")
    assert not any(host(node).file(FOLDER).exists for node in NODES)
