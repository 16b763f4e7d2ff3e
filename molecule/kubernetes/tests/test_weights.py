# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start of the leader sends to the pods of its workers, by the counter of its node's interface: everything as
llama.cpp does it, and next to nothing once the nodes keep what their workers were sent. Nothing is left in the end."""

from __future__ import annotations

import make_random_model
import pytest
from cluster import host
from kubernetes_cluster import DROVER, EPHEMERAL, NODES, eventually, in_pod, kubectl, kubernetes, parts, plan
from playbook import succeeded

# Not that of the control plane, which has much to say to other nodes.
LEADER, WORKERS = "kube-2", ["kube-1", "kube-3"]
SPLIT = {LEADER: 1, "kube-1": 2, "kube-3": 2}
FOLDER = "/var/cache/drover"
CACHE = {"host_path": FOLDER}
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
    """Have the model served; the one layout, so that what is sent can be compared."""

    def run(name="kubernetes", **settings):
        return succeeded(
            kubernetes(
                name,
                gguf_model_path=str(model),
                kubernetes_leader=LEADER,
                placement_split=SPLIT,
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


def cached():
    """Node -> bytes of the tensors that are kept on it."""
    find = f"find {FOLDER} -type f -name '????????????????' -printf '%s\\n' 2>/dev/null || true"
    return {node: sum(map(int, host(node).check_output(find).split())) for node in NODES}


def test_the_second_load_sends_what_no_cache_saves(deploy):
    deploy()
    assert sorted(parts("worker")) == WORKERS
    predicted = plan()["predicted"]
    everything, rest = predicted["load_bytes_over_network"], predicted["load_bytes_once_cached"]
    # A start without a cache sends all of it, the second as well as the first.
    stock = start()
    assert everything <= stock < everything * SLACK + MORE
    assert set(cached().values()) == {0}
    # The first with one is no better, since nothing was placed: it is what fills the cache.
    deploy(kubernetes_cache=CACHE)
    assert plan()["predicted"]["load_bytes_once_cached"] == rest
    kept = cached()
    assert {node for node, size in kept.items() if size} == set(WORKERS)
    assert sum(kept.values()) == everything - rest
    again = start()
    assert again < 0.18 * stock
    assert rest <= again < rest * SLACK + MORE
    assert cached() == kept


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


def test_nothing_is_left(deploy):
    deploy("kubernetes_reset", kubernetes_cache=CACHE, reset_confirm="true", reset_models="true")
    assert not any(host(node).file(FOLDER).exists for node in NODES)
