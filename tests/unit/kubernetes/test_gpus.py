# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs of nodes: what device plugins have left, what pods ask for and see, and what is planned with them.

The H100's figures are recorded from one (nvidia-smi and --list-devices, driver 580). Labels and resources are written
as NVIDIA's GPU Operator, and the device plugins of AMD and Intel, document them.
"""

from __future__ import annotations

import copy
import json

import kubernetes_validate
import pytest
from module_utils.builds.ask import parse_devices
from module_utils.errors import DroverError
from module_utils.hosts.document import read_tally
from module_utils.kubernetes.deploy import deploy_pods
from module_utils.kubernetes.gpus import give, gpu_faults, settle_gpus
from module_utils.kubernetes.lend import lend
from module_utils.kubernetes.manifests import manifests
from module_utils.kubernetes.names import Names
from module_utils.kubernetes.node_devices import with_devices
from module_utils.kubernetes.quantities import bytes_of
from module_utils.kubernetes.quotas import quota_faults
from module_utils.kubernetes.short_lived import tally_pods
from module_utils.kubernetes.speeds import recalled, to_keep
from unit.placement.fleets import model, plan_of

from .objects import GIB, MIB, PROGRAMS, measured, node, own_pod, pod, settings, stock_of

H100_LABELS = {
    "nvidia.com/gpu.count": "1",
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.compute.major": "9",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/gpu.replicas": "1",
    "nvidia.com/gpu.sharing-strategy": "none",
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/gpu.present": "true",
}
H100 = {
    "id": "GPU-00000000-1111-2222-3333-444444444444",
    "name": "NVIDIA H100 80GB HBM3",
    "kind": "cuda",
    "unified": False,
    "compute_capability": "9.0",
    "nodes": [{"path": "/dev/nvidiactl", "group": None}, {"path": "/dev/nvidia0", "group": None}],
    "total_bytes": 81559 * MIB,
    "held_bytes": 0,
    "usable_bytes": 81079 * MIB,
}
H100_LISTED = "Available devices:\n  CUDA0: NVIDIA H100 80GB HBM3 (81079 MiB, 80552 MiB free)\n"
# As images.json has them of a build with loadable backends, made where there is no driver.
CUDA = {**PROGRAMS, "backends": ["RPC", "CPU"], "current": "b1", "build_backends": {"b1": ["CPU", "CUDA"]}}
VULKAN = {**PROGRAMS, "backends": ["RPC", "CPU"], "package_backends": ["CPU", "Vulkan"]}
CPU_ONLY = {**PROGRAMS, "backends": ["RPC", "CPU"]}
NVIDIA = {"metadata": {"name": "nvidia"}, "handler": "nvidia"}


def gpu_node(name="gpu-1", labels=None, cpu="16", memory="64Gi", boot="b-1", **resources):
    """A node whose kubelet allocates ``resources`` (``nvidia_com__gpu="2"``)."""
    made = node(name, memory=memory, cpu=cpu, labels=labels)
    told = {key.replace("__", "/").replace("_", "."): value for key, value in resources.items()}
    made["status"]["allocatable"].update(told)
    made["status"]["capacity"].update(told)
    made["status"]["nodeInfo"]["bootID"] = boot
    return made


def with_limit(amount, resource="nvidia.com/gpu", name="main"):
    return {"name": name, "resources": {"limits": {resource: str(amount)}}}


def settled(given, pods=(), classes=(NVIDIA,), programs=CUDA, kept=None, **wishes):
    stock = recalled(stock_of(given, pods, **wishes), kept or {})
    return settle_gpus(stock, settings(**wishes), classes, {"amd64": programs} if programs else {})


def gpus_of(given, pods=(), **wishes):
    (entry,) = settled([given], pods, **wishes)
    return entry["gpus"]


def h100(number=1):
    """What a pod with so many of them prints."""
    cards = [{**copy.deepcopy(H100), "id": f"GPU-{each}"} for each in range(number)]
    listed = "".join(H100_LISTED.splitlines(keepends=True)[1].replace("CUDA0", f"CUDA{each}") for each in range(number))
    return {**measured("gpu-1", 60 * GIB, 64 * GIB), "gpus": cards}, {**CUDA, "devices": parse_devices(listed)}


@pytest.mark.parametrize(
    ("given", "resource", "free", "count"),
    [
        (gpu_node(nvidia_com__gpu="2"), "nvidia.com/gpu", 2, 2),
        (gpu_node(amd_com__gpu="1"), "amd.com/gpu", 1, 1),
        (gpu_node(gpu_intel_com__i915="1"), "gpu.intel.com/i915", 1, 1),
        (gpu_node(gpu_intel_com__xe="1"), "gpu.intel.com/xe", 1, 1),
        # Of slices a program uses one, the largest.
        (
            gpu_node(**{"nvidia.com/mig-1g.10gb": "2", "nvidia.com/mig-3g.40gb": "1", "nvidia.com/gpu": "0"}),
            "nvidia.com/mig-3g.40gb",
            1,
            1,
        ),
        (gpu_node(labels={"nvidia.com/mig.strategy": "single"}, nvidia_com__gpu="7"), "nvidia.com/gpu", 7, 1),
        # Shares in one card are one card.
        (
            gpu_node(labels={"nvidia.com/gpu.sharing-strategy": "time-slicing"}, nvidia_com__gpu="4"),
            "nvidia.com/gpu",
            4,
            1,
        ),
        (gpu_node(**{"nvidia.com/gpu.shared": "4"}), "nvidia.com/gpu.shared", 4, 1),
    ],
)
def test_what_device_plugins_offer(given, resource, free, count):
    stock = stock_of([given])
    assert {key: stock[0]["gpus"][key] for key in ("resource", "free", "held", "count")} == {
        "resource": resource,
        "free": free,
        "held": 0,
        "count": count,
    }


@pytest.mark.parametrize(
    "given",
    [
        node("gpu-1", labels=H100_LABELS),
        gpu_node(nvidia_com__gpu="0"),
        gpu_node(nvidia_com__hostdev="4"),
        gpu_node(**{"gpu.intel.com/i915_monitoring": "1", "gpu.intel.com/millicores": "1000"}),
    ],
)
def test_what_is_no_gpu_for_pods(given):
    assert stock_of([given])[0]["gpus"] is None


def test_others_pods_keep_theirs_and_our_own_come_back():
    pods = [
        pod("gpu-1", with_limit(1), name="notebook"),
        pod("gpu-1", with_limit(4), name="done", phase="Succeeded"),
        own_pod("gpu-1", with_limit(2)),
        pod("gpu-1", initContainers=[with_limit(1, name="warm")], name="warmed"),
    ]
    found = gpus_of(gpu_node(nvidia_com__gpu="8"), pods)
    assert (found["free"], found["held"], found["count"]) == (6, 2, 6)


@pytest.mark.parametrize(
    ("given", "wishes", "count"),
    [
        (gpu_node(nvidia_com__gpu="8"), {"lend": {"gpus": 2}}, 2),
        (gpu_node(nvidia_com__gpu="1"), {"lend": {"gpus": 2}}, 1),
        (gpu_node(nvidia_com__gpu="8"), {"lend": {"gpus": 2}, "nodes": {"gpu-1": {"gpus": 3}}}, 3),
        (gpu_node(nvidia_com__gpu="8"), {"nodes": {"gpu-1": {"gpus": 0}}}, 0),
        (gpu_node(nvidia_com__gpu="8"), {"lend": {"gpus": 0}, "nodes": {"gpu-1": {"threads": 1}}}, 0),
    ],
)
def test_how_many_are_wished(given, wishes, count):
    assert gpus_of(given, **wishes)["count"] == count


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        (
            node("gpu-1"),
            {"nodes": {"gpu-1": {"gpus": 1}}},
            "kubernetes_nodes wishes for 1 GPU of gpu-1, which offers none to pods: see that the device plugin",
        ),
        (
            gpu_node(nvidia_com__gpu="2"),
            {"nodes": {"gpu-1": {"gpus": 2}}, "pods": [pod("gpu-1", with_limit(1))]},
            "kubernetes_nodes wishes for 2 GPUs of gpu-1, where others' pods leave 1 of nvidia.com/gpu: wish",
        ),
        (
            gpu_node(**{"nvidia.com/mig-1g.10gb": "7"}),
            {"nodes": {"gpu-1": {"gpus": 2}}},
            "kubernetes_nodes wishes for 2 GPUs of gpu-1, whose nvidia.com/mig-1g.10gb are parts of cards",
        ),
        (
            gpu_node(nvidia_com__gpu="1"),
            {"lend": {"gpus": 1}, "programs": VULKAN},
            "GPUs of gpu-1 are wished for (kubernetes_nodes, kubernetes_lend), and the image has no backend for "
            "nvidia.com/gpu (CUDA), but CPU, Vulkan: name an image",
        ),
    ],
)
def test_wishes_that_cannot_be_had_are_refused_before_a_pod_runs(given, more, words):
    programs, pods = more.pop("programs", CUDA), more.pop("pods", [])
    (told,) = gpu_faults(stock_of([given], pods, **more), settings(**more), {"amd64": programs})
    assert told.startswith(words)


@pytest.mark.parametrize(
    ("given", "wishes", "programs"),
    [
        (node("gpu-1", conditions=[]), {"nodes": {"gpu-1": {"gpus": 1}}}, CUDA),
        (node("gpu-1"), {"lend": {"gpus": 1}}, VULKAN),
        (gpu_node(nvidia_com__gpu="2"), {"nodes": {"gpu-1": {"gpus": 2}}}, CUDA),
        (gpu_node(nvidia_com__gpu="2"), {"nodes": {"gpu-1": {"gpus": 0}}}, VULKAN),
        (gpu_node(nvidia_com__gpu="2"), {}, VULKAN),
        (gpu_node(nvidia_com__gpu="2"), {"lend": {"gpus": 4}}, None),
    ],
)
def test_wishes_that_can_be_had(given, wishes, programs):
    known = {"amd64": programs} if programs else {}
    assert gpu_faults(stock_of([given], **wishes), settings(**wishes), known) == []


@pytest.mark.parametrize(
    ("classes", "wishes", "given", "expected"),
    [
        # K3s and MicroK8s name the class, and so does the GPU Operator unless it works by NRI.
        ([NVIDIA], {}, gpu_node(nvidia_com__gpu="1"), "nvidia"),
        ([], {}, gpu_node(nvidia_com__gpu="1"), None),
        ([{"metadata": {"name": "kata"}, "handler": "kata"}], {}, gpu_node(nvidia_com__gpu="1"), None),
        ([{"metadata": {"name": "cuda"}, "handler": "nvidia"}], {}, gpu_node(nvidia_com__gpu="1"), "cuda"),
        ([{"metadata": {"name": "a"}, "handler": "nvidia"}, NVIDIA], {}, gpu_node(nvidia_com__gpu="1"), "nvidia"),
        ([NVIDIA], {"runtime_class": "nvidia-cdi"}, gpu_node(nvidia_com__gpu="1"), "nvidia-cdi"),
        ([NVIDIA], {}, gpu_node(amd_com__gpu="1"), None),
    ],
)
def test_the_runtime_class_is_found(classes, wishes, given, expected):
    assert gpus_of(given, classes=classes, programs=None, **wishes)["runtime_class"] == expected


def test_the_pod_that_takes_stock_is_given_them():
    wishes = {"gpu_groups": [44, 993]}
    stock = settled([gpu_node(nvidia_com__gpu="2"), node("kube-1")], **wishes)
    with_gpus, without = tally_pods(stock, settings(**wishes), "main")
    (tell,) = with_gpus["spec"]["containers"]
    assert tell["resources"]["requests"]["nvidia.com/gpu"] == tell["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,utility"} in tell["env"]
    assert with_gpus["spec"]["runtimeClassName"] == "nvidia"
    assert with_gpus["spec"]["securityContext"]["supplementalGroups"] == [44, 993]
    assert "runtimeClassName" not in without["spec"]
    assert "supplementalGroups" not in without["spec"]["securityContext"]
    assert "nvidia" not in json.dumps(without)


@pytest.mark.parametrize(
    ("given", "pods", "more"),
    [
        # Our own pods have them, so that no other can.
        (gpu_node(nvidia_com__gpu="1"), [own_pod("gpu-1", with_limit(1))], {}),
        (gpu_node(nvidia_com__gpu="1"), [], {"programs": VULKAN}),
        (gpu_node(nvidia_com__gpu="1"), [], {"nodes": {"gpu-1": {"gpus": 0}}}),
    ],
)
def test_the_pod_that_takes_stock_asks_for_none(given, pods, more):
    stock = settled([given], pods, **more)
    (one,) = tally_pods(stock, settings(), "main")
    assert "nvidia.com/gpu" not in one["spec"]["containers"][0]["resources"]["limits"]


def lent(entry, found, programs, **wishes):
    return read_tally(lend(entry, found, settings(**wishes), "main", programs=programs))


def test_what_a_pod_has_seen_is_lent():
    (entry,) = settled([gpu_node(nvidia_com__gpu="1")])
    found, programs = h100()
    made = lent(entry, found, programs)
    (_cpu, card) = made["devices"]
    assert (card["id"], card["gpu"], card["name"]) == ("CUDA0", "nvidia.com/gpu/0", "NVIDIA H100 80GB HBM3")
    assert card["usable_bytes"] == 81079 * MIB
    # The context was measured: what is free, less what a process that has the card is told.
    assert card["overhead_bytes"] == (81079 - 80552 + 192) * MIB
    assert made["gpu_problem"] is None
    # A driver takes main memory, too, which the pod requests beside the plan.
    without = lent(entry, {**found, "gpus": []}, CPU_ONLY)
    wish = {"reserve_bytes": 0}
    reserves = [lent(entry, *each, lend=wish)["memory"]["reserve_bytes"] for each in (h100(), (found, CPU_ONLY))]
    assert reserves[0] - reserves[1] == 512 * MIB
    assert [device["id"] for device in without["devices"]] == ["CPU"]


def test_an_image_without_the_backend_leaves_the_card_and_says_so():
    (entry,) = settled([gpu_node(nvidia_com__gpu="1")], programs=None)
    made = lent(entry, measured("gpu-1"), {**VULKAN, "devices": []})
    assert [device["id"] for device in made["devices"]] == ["CPU"]
    assert made["gpu_problem"].startswith("The image has no backend for nvidia.com/gpu (CUDA), but CPU, Vulkan: name")
    with pytest.raises(DroverError, match=r"^GPUs of gpu-1 are wished for .* the image has no backend"):
        lent(entry, measured("gpu-1"), {**VULKAN, "devices": []}, lend={"gpus": 1})


def test_a_pod_that_was_given_a_card_and_sees_none_says_so():
    (entry,) = settled([gpu_node(nvidia_com__gpu="1")], classes=[])
    made = lent(entry, measured("gpu-1"), {**CUDA, "devices": []})
    assert [device["id"] for device in made["devices"]] == ["CPU"]
    assert "sees no GPU in a pod that was given 1 of nvidia.com/gpu without a RuntimeClass: see" in made["gpu_problem"]
    with pytest.raises(DroverError, match=r"^gpu-1: llama.cpp sees no GPU"):
        lent(entry, measured("gpu-1"), {**CUDA, "devices": []}, nodes={"gpu-1": {"gpus": 1}})


def test_in_check_mode_labels_tell():
    (entry,) = settled([gpu_node(labels=H100_LABELS, nvidia_com__gpu="2")])
    made = lent(entry, None, CUDA)
    assert [(one["id"], one["gpu"], one["total_bytes"]) for one in made["devices"][1:]] == [
        ("CUDA0", "nvidia.com/gpu/0", 81559 * MIB),
        ("CUDA1", "nvidia.com/gpu/1", 81559 * MIB),
    ]
    assert made["gpus"][0]["name"] == "NVIDIA H100 80GB HBM3"
    assert made["gpus"][0]["compute_capability"] == "9.0"
    (entry,) = settled([gpu_node(nvidia_com__gpu="2")])
    assert lent(entry, None, CUDA)["gpus"] == []


HELD = [own_pod("gpu-1", with_limit(1))]


def kept_of(number=1, given=None):
    (entry,) = settled([given or gpu_node(nvidia_com__gpu=str(number))])
    found, programs = h100(number)
    tally = lent(entry, found, programs)
    return to_keep([entry], [tally], {"gpu-1": with_devices(entry, found, programs, settings())})


@pytest.mark.parametrize("found", [None, measured("gpu-1", 60 * GIB, 64 * GIB)])
def test_what_was_seen_is_known_while_our_own_pods_have_it(found):
    kept = kept_of()
    (entry,) = settled([gpu_node(nvidia_com__gpu="1")], HELD, kept=kept)
    made = lent(entry, found, {**CUDA, "devices": []})
    assert made["devices"][1]["id"] == "CUDA0"
    assert made["devices"][1]["overhead_bytes"] == 719 * MIB
    # And stays so.
    assert to_keep([entry], [made], {}) == kept
    assert with_devices(entry, found, {**CUDA, "devices": []}, settings())["devices"][0]["name"] == "CUDA0"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (gpu_node(nvidia_com__gpu="1", boot="b-2"), None),
        (gpu_node(nvidia_com__gpu="1"), {}),
        (gpu_node(nvidia_com__gpu="1"), {"gpu-1": '{"boot": "b-1", "gpus": {"resource": "nvidia.com/gpu"}}'}),
        (gpu_node(nvidia_com__gpu="1"), {"gpu-1": '{"boot": "b-1", "gpus": {"resource": "amd.com/gpu"}}'}),
        (
            gpu_node(nvidia_com__gpu="1"),
            {"gpu-1": '{"boot": "b-1", "gpus": {"resource": "nvidia.com/gpu", "gpus": [{}], "devices": [{}]}}'},
        ),
    ],
)
def test_what_is_not_known_any_more_is_told(given, kept):
    (entry,) = settled([given], HELD, kept=kept_of() if kept is None else kept)
    made = lent(entry, measured("gpu-1"), {**CUDA, "devices": []})
    assert made["gpu_problem"].startswith("This cluster's own pods have its nvidia.com/gpu, and what was seen")


def test_what_is_known_of_a_node_that_is_out_of_sight_stays_known():
    kept = kept_of()
    lost = gpu_node(nvidia_com__gpu="1")
    lost["status"]["conditions"] = []
    (entry,) = settled([lost], kept=kept)
    made = lent(entry, None, CUDA)
    assert made["gpus"] == []
    assert json.loads(to_keep([entry], [made], {"gpu-1": CUDA})["gpu-1"])["gpus"] == json.loads(kept["gpu-1"])["gpus"]


def test_of_what_is_known_as_many_as_are_left():
    others = [own_pod("gpu-1", with_limit(1)), pod("gpu-1", with_limit(1))]
    (entry,) = settled([gpu_node(nvidia_com__gpu="2")], others, kept=kept_of(2))
    assert [one["id"] for one in lent(entry, measured("gpu-1"), {**CUDA, "devices": []})["devices"]] == ["CPU", "CUDA0"]


class GpuCluster:
    """A node with GPUs and one without, planned and deployed."""

    def __init__(self, number=2, unlike=False, policy=None, free_bytes=None, **wishes):
        self.settings = settings(**wishes)
        self.stock = settled([gpu_node(nvidia_com__gpu=str(number)), node("kube-2", memory="2Gi")], **wishes)
        found, programs = h100(number)
        for card in found["gpus"] if free_bytes else ():
            card["usable_bytes"] = free_bytes
        if unlike:
            found["gpus"][1].update(name="NVIDIA L4", total_bytes=23034 * MIB, usable_bytes=22500 * MIB)
            programs["devices"][1].update(description="NVIDIA L4", total_bytes=22563 * MIB, free_bytes=22300 * MIB)
        measured_by = {"gpu-1": found, "kube-2": measured("kube-2", 2 * GIB, 2 * GIB)}
        known = {"gpu-1": programs, "kube-2": {**CUDA, "devices": []}}
        self.tallies = [lent(entry, measured_by[entry["node"]], known[entry["node"]], **wishes) for entry in self.stock]
        self.programs = {
            entry["node"]: with_devices(entry, measured_by[entry["node"]], known[entry["node"]], self.settings)
            for entry in self.stock
        }
        self.gguf = model(blocks=20, block_bytes=300 * MIB)
        self.plan = plan_of(self.gguf, self.tallies, **(policy or {}))
        self.stock = give(self.stock, self.plan, self.tallies)
        path = self.settings.model.path
        self.deployments, _members, _standbys = deploy_pods(
            self.plan,
            self.tallies,
            self.programs,
            {"path": path, "alias": "Small", "files": [{"path": path, "bytes": self.gguf["file_bytes"]}]},
            self.stock,
            self.settings,
            self.gguf,
        )
        self.manifests = manifests(self.plan, self.deployments, self.stock, self.settings)

    def pod(self, name):
        (found,) = [
            each for each in self.manifests if each["metadata"]["name"] == name and each["kind"] == "Deployment"
        ]
        return found["spec"]["template"]["spec"]


def test_a_leader_with_a_card_asks_for_as_many_as_it_uses():
    cluster = GpuCluster(number=8, policy={"leader": "gpu-1"})
    assert [device["id"] for device in cluster.plan["devices"]] == ["CUDA0"]
    spec = cluster.pod("drover-main-leader")
    (server,) = spec["containers"]
    assert server["resources"]["requests"] == server["resources"]["limits"]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "1"
    # Whichever of the eight it is.
    environment = cluster.deployments["gpu-1"]["environment"]
    assert environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert "CUDA0" in " ".join(cluster.deployments["gpu-1"]["arguments"])
    assert cluster.deployments["gpu-1"]["nodes"] == []
    assert spec["runtimeClassName"] == "nvidia"
    planned = cluster.deployments["gpu-1"]["memory_bytes"]
    assert bytes_of(server["resources"]["limits"]["memory"], "") == planned + (256 + 512) * MIB
    # What waits and fetches needs none.
    assert all("nvidia.com/gpu" not in step["resources"]["limits"] for step in spec["initContainers"])


def test_a_worker_lends_all_that_it_was_given():
    cluster = GpuCluster(policy={"leader": "kube-2", "spread": "all"})
    assert [each["devices"] for each in cluster.plan["endpoints"]] == [["CUDA0", "CUDA1", "CPU"]]
    (server,) = cluster.pod("drover-main-worker-gpu-1")["containers"]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "2"
    # And the leader's own node has none.
    assert "nvidia" not in json.dumps(cluster.pod("drover-main-leader"))


def test_of_unlike_cards_all_are_asked_for_and_the_others_hidden():
    cluster = GpuCluster(unlike=True, policy={"leader": "gpu-1"})
    assert [device["id"] for device in cluster.plan["devices"]] == ["CUDA0"]
    (server,) = cluster.pod("drover-main-leader")["containers"]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert cluster.deployments["gpu-1"]["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-0"


def test_a_pod_that_is_planned_no_card_gets_none():
    cluster = GpuCluster(policy={"leader": "gpu-1"}, free_bytes=200 * MIB)
    assert "gpu-1" not in [device["host"] for device in cluster.plan["devices"]]
    spec = cluster.pod("drover-main-leader")
    assert "nvidia.com/gpu" not in spec["containers"][0]["resources"]["limits"]
    assert "runtimeClassName" not in spec
    # Nor does it see one where the runtime of the node shows all to everybody.
    assert cluster.deployments["gpu-1"]["environment"] == {"CUDA_VISIBLE_DEVICES": ""}


def test_pods_with_cards_are_as_confined_as_others():
    cluster = GpuCluster(model={"file": "small.gguf", "claim": "models"}, gpu_groups=[993], policy={"leader": "gpu-1"})
    (namespace,) = [each for each in cluster.manifests if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = cluster.pod("drover-main-leader")
    (server,) = spec["containers"]
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["supplementalGroups"] == [993]
    assert [volume["name"] for volume in spec["volumes"] if "hostPath" in volume] == []
    for each in [*cluster.manifests, *tally_pods(cluster.stock, cluster.settings, "main")]:
        kubernetes_validate.validate(json.loads(json.dumps(each)), "1.28.0", strict=True)


@pytest.mark.parametrize(("most", "told"), [("2", []), ("1", ["The ResourceQuota team has 1 left of requests.nvidia"])])
def test_a_quota_of_cards(most, told):
    cluster = GpuCluster(policy={"leader": "kube-2", "spread": "all"})
    hard = {"requests.nvidia.com/gpu": most}
    quota = {"metadata": {"name": "team"}, "status": {"hard": hard, "used": {"requests.nvidia.com/gpu": "0"}}}
    found = quota_faults([quota], [], cluster.manifests, Names("main", "drover"))
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)
