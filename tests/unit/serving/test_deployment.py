# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to what each host runs, and the document that says so."""

from __future__ import annotations

import copy

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.devices import drive
from module_utils.serving.cluster import Cluster
from module_utils.serving.command_line import leader_arguments, worker_arguments
from module_utils.serving.deploy import deploy, lone_worker
from module_utils.serving.deployment import in_pod, read_deployment
from module_utils.serving.settings import Settings, settings_by_host
from unit.placement import fleets
from unit.serving.clusters import GIB, MODEL, PROGRAMS, address, device, plan, tallies, tally


def deployed(settings=None, **changes):
    programs = dict.fromkeys(("head", "pi-1", "pi-2"), PROGRAMS)
    return deploy(plan(**changes), tallies(), programs, MODEL, settings or {})


def test_the_leader_runs_llama_server():
    leader = deployed()["head"]
    flags = PROGRAMS["server_flags"]
    assert leader == {
        "schema": 1,
        "cluster": "main",
        "host": "head",
        "part": "leader",
        "build": {"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
        "program": "/usr/bin/llama-server",
        "arguments": leader_arguments(plan(), MODEL, "10.0.0.1", 8080, 8, "/etc/drover/main/api_key", [], flags, 11669),
        "environment": {},
        "nodes": [],
        "groups": [],
        "listen": {"address": "10.0.0.1", "port": 8080},
        "allow": None,
        "files": [
            {"path": "/var/lib/drover/models/m.gguf", "bytes": 4 * GIB},
            {"path": "/etc/drover/main/api_key", "bytes": None},
        ],
        "memory_bytes": 2 * GIB,
        "cache": None,
        "healing": None,
    }


def test_a_worker_runs_the_rpc_server_and_lets_in_all_addresses_that_the_leader_sends_from():
    worker = deployed()["pi-1"]
    assert worker == {
        "schema": 1,
        "cluster": "main",
        "host": "pi-1",
        "part": "worker",
        "build": {"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
        "program": "/usr/libexec/ggml-rpc-server",
        "arguments": worker_arguments("10.0.0.11", 50052, 4, True),
        "environment": {"LLAMA_CACHE": "/var/cache/drover"},
        "nodes": [],
        "groups": [],
        "listen": {"address": "10.0.0.11", "port": 50052},
        "allow": ["10.0.0.1", "10.0.0.2"],
        "files": [],
        "memory_bytes": 5 * GIB // 4 + GIB // 8,
        "cache": {"directory": "/var/cache/drover/rpc", "days": 30},
        "healing": None,
    }


def test_a_host_that_holds_no_layer_yet_is_a_worker_too():
    spare = deployed()["pi-2"]
    assert (spare["part"], spare["memory_bytes"], spare["listen"]["port"]) == ("worker", 0, 50060)


def pods(*hosts, sources=()):
    """The hosts whose parts run in pods."""
    return {host: {"sources": list(sources), "most_bytes": GIB} for host in hosts}


def in_pods(*hosts, leads_from=("10.9.0.7", "10.244.1.0/24"), settings=(), **changes):
    """The deployments where the parts of ``hosts`` run in pods."""
    places = {
        host: {"address": f"{host}.workers.drover.svc" if host in hosts else place["address"], "port": place["port"]}
        for host, place in plan()["addresses"].items()
    }
    programs = dict.fromkeys(("head", "pi-1", "pi-2"), PROGRAMS)
    return deploy(
        plan(addresses=places, **changes), tallies(), programs, MODEL, dict(settings), pods(*hosts, sources=leads_from)
    )


def test_a_pod_listens_on_whatever_address_it_has():
    made = in_pods("head", "pi-1", "pi-2")
    for host, port in (("head", 8080), ("pi-1", 50052), ("pi-2", 50060)):
        assert made[host]["listen"] == {"address": None, "port": port}
        assert made[host]["arguments"][made[host]["arguments"].index("--host") + 1] == "{address}"
        assert read_deployment(copy.deepcopy(made[host])) == made[host]
    # Kubernetes knows the leader by its labels.
    assert (made["head"]["allow"], made["pi-1"]["allow"]) == (None, [])


def test_a_host_knows_its_builds_files_again_and_an_image_is_what_it_is():
    prints = {"/usr/bin/llama-server": "3f2a9c1e"}
    programs = {host: {**PROGRAMS, "prints": prints} for host in ("head", "pi-1", "pi-2")}
    made = deploy(plan(), tallies(), programs, MODEL, {}, pods=pods("pi-1"))
    assert {host: each["build"].get("prints") for host, each in made.items()} == {
        "head": prints,
        "pi-1": None,
        "pi-2": prints,
    }
    assert read_deployment(made["head"]) == made["head"]


def test_a_pod_that_heals_is_told_what_any_plan_may_put_there():
    made = in_pods("head", "pi-1", "pi-2", settings={"head": {"llama_server_heals": True}})
    assert made["head"]["healing"] == {"port": 9080, "drain_seconds": 60, "most_bytes": GIB}
    assert made["pi-1"]["healing"] == {"port": 51052, "most_bytes": GIB}
    assert [in_pod(each) for each in made.values()] == [True, True, True]
    assert not any(map(in_pod, deployed({"head": {"llama_server_heals": True}}).values()))
    assert not any(map(in_pod, deployed().values()))


def test_a_worker_outside_lets_in_what_a_leader_in_a_pod_comes_from():
    made = in_pods("head", "pi-1")
    assert made["pi-1"]["allow"] == []
    assert made["pi-2"]["allow"] == ["10.244.1.0/24", "10.9.0.7"]
    assert made["pi-2"]["listen"] == {"address": "10.0.0.12", "port": 50060}


def test_a_worker_in_a_pod_lets_in_a_leader_outside():
    made = in_pods("pi-1")
    assert made["pi-1"]["allow"] == ["10.0.0.1", "10.0.0.2"]
    assert made["head"]["listen"]["address"] == "10.0.0.1"


def test_a_leader_in_a_pod_has_no_address_to_choose():
    with pytest.raises(DroverError, match=r"^llama_server_address of head is 10\.0\.0\.1, and it leads in a pod"):
        deploy(plan(), tallies(), {}, MODEL, {"head": {"llama_server_address": "10.0.0.1"}}, pods("head"))


def test_every_deployment_can_be_read_and_comes_by_host():
    deployments = deployed()
    assert list(deployments) == ["head", "pi-1", "pi-2"]
    for deployment in deployments.values():
        assert read_deployment(copy.deepcopy(deployment)) == deployment


@pytest.mark.parametrize(
    ("host", "wish", "value", "effect"),
    [
        ("pi-1", "rpc_server_cache", False, lambda made: made["cache"] is None and not made["environment"]),
        ("pi-1", "rpc_server_cache", False, lambda made: "--cache" not in made["arguments"]),
        ("pi-1", "rpc_server_cache_days", 7, lambda made: made["cache"]["days"] == 7),
        ("pi-1", "rpc_server_cache_max_bytes", 5 << 30, lambda made: made["cache"].get("bytes") == 5 << 30),
        (
            "pi-1",
            "rpc_server_allowed_addresses",
            ["10.0.0.99"],
            lambda made: made["allow"] == ["10.0.0.1", "10.0.0.2", "10.0.0.99"],
        ),
        ("head", "llama_server_address", "127.0.0.1", lambda made: made["listen"]["address"] == "127.0.0.1"),
        ("head", "llama_server_address", "127.0.0.1", lambda made: "127.0.0.1" in made["arguments"]),
        ("head", "llama_server_port", 8081, lambda made: made["listen"]["port"] == 8081),
        ("head", "llama_server_port", 8081, lambda made: "8081" in made["arguments"]),
        ("head", "llama_server_threads", 5, lambda made: made["arguments"][9] == "5"),
        ("head", "llama_server_api_key_file", "/k", lambda made: made["files"][-1] == {"path": "/k", "bytes": None}),
        ("head", "llama_server_extra_arguments", ["--metrics"], lambda made: made["arguments"][-1] == "--metrics"),
    ],
)
def test_every_wish_takes_effect(host, wish, value, effect):
    assert not effect(deployed()[host]), "the test would pass without the wish"
    assert effect(deployed({host: {wish: value}})[host])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"rpc_server_cash": True},
            "The settings of pi-1 have 'rpc_server_cash', which is unknown: use llama_server_add",
        ),
        ({"rpc_server_cache": "false"}, "rpc_server_cache of pi-1 is 'false' but must be true or false"),
        ({"rpc_server_cache_days": "30"}, "rpc_server_cache_days of pi-1 is '30' but must be a whole number"),
        (
            {"rpc_server_cache_max_bytes": -1},
            "rpc_server_cache_max_bytes of pi-1 is -1 but must be a whole number from 0",
        ),
        ({"rpc_server_cache_days": 0}, "rpc_server_cache_days of pi-1 is 0 but must be a whole number from 1 up"),
        ({"llama_server_port": 65536}, "llama_server_port of pi-1 is 65536 but must be a whole number from 1 to 65535"),
        ({"llama_server_address": None}, "llama_server_address of pi-1 is None but must be a text"),
        (
            {"rpc_server_allowed_addresses": "10.0.0.1"},
            "rpc_server_allowed_addresses of pi-1 is '10.0.0.1' but must be",
        ),
        (
            {"rpc_server_allowed_addresses": ["pi-2"]},
            "An address in rpc_server_allowed_addresses of pi-1 is 'pi-2' but must be an IP address or network",
        ),
        ([], "The settings of pi-1 is \\[\\] but must be a dictionary"),
    ],
)
def test_a_wish_that_is_none_is_refused_by_name(settings, told):
    with pytest.raises(DroverError, match=f"^{told}"):
        deployed({"pi-1": settings})


def test_public_addresses_are_refused_unless_allowed():
    public = {**plan()["addresses"], "pi-1": {"address": "8.8.8.8", "port": 50052}}
    with pytest.raises(DroverError, match=r"RPC server of pi-1 would listen on 8\.8\.8\.8, which is not a private"):
        deployed(addresses=public)
    allowed = deployed({"pi-1": {"rpc_server_allow_public_address": True}}, addresses=public)
    assert allowed["pi-1"]["listen"]["address"] == "8.8.8.8"
    with pytest.raises(DroverError, match=r"The API of head would listen on 0\.0\.0\.0, which is not a private"):
        deployed({"head": {"llama_server_address": "0.0.0.0"}})
    wide = deployed({"head": {"llama_server_address": "0.0.0.0", "llama_server_allow_public_address": True}})
    assert wide["head"]["listen"]["address"] == "0.0.0.0"


def test_memory_on_a_card_of_its_own_is_not_the_hosts():
    card = {"id": "CUDA0", "kind": "cuda", "name": "card", "gpu": None, "unified": False, "total_bytes": GIB}
    shared = {**card, "unified": True}
    for gpu, worker, leader in ((card, 0, 2 * GIB), (shared, GIB + GIB // 8, 2 * GIB + GIB // 2 + GIB // 8)):
        on_card = device("pi-1", "RPC0", 1, 4, id="CUDA0", kind="cuda")
        placed = plan(devices=[on_card, device("head", "CUDA0", 5, 2), device("pi-2", "RPC1", 7, 1)])
        hosts = [tally("head", devices=[gpu]), tally("pi-1", devices=[gpu]), tally("pi-2")]
        made = deploy(placed, hosts, {}, MODEL, {})
        assert [made[host]["memory_bytes"] for host in ("pi-1", "head", "pi-2")] == [
            worker,
            leader,
            GIB // 4 + GIB // 8,
        ]


def test_devices_are_those_of_the_build_that_is_there_now(monkeypatch):
    """The tally was taken before it was installed."""
    card = {"id": "CUDA0", "kind": "cuda", "gpu": None, "unified": False}
    monkeypatch.setattr(
        "module_utils.serving.deploy.drive",
        lambda tally, backends, offered: {**tally, "devices": [*tally["devices"], *offered]},
    )
    placed = plan(devices=[device("pi-1", "RPC0", 3, 5, True, id="CUDA0", kind="cuda")])
    programs = {"pi-1": {**PROGRAMS, "backends": ["CUDA", "CPU"], "devices": [card]}}
    assert deploy(placed, tallies(), programs, MODEL, {})["pi-1"]["memory_bytes"] == 0
    programs["pi-1"]["devices"] = []
    with pytest.raises(DroverError, match=r"^pi-1 was planned with CUDA0, and llama\.cpp there offers CPU alone: "):
        deploy(placed, tallies(), programs, MODEL, {})


# --- The devices that were planned ------------------------------------------------------------------------------------

GPU = {"id": "GPU-a", "name": "NVIDIA GeForce RTX 3060", "kind": "cuda", "compute_capability": "8.6"}
RADEON = {**GPU, "id": "0000:03:00.0", "name": "AMD GPU 0x744c", "kind": "rocm"}
INTEL = {**GPU, "id": "0000:00:02.0", "name": "Intel GPU 0x4680", "kind": "vulkan"}


def with_gpus(*gpus):
    """The host ``box`` with these GPUs, as it is before anything is installed."""
    sizes = {"nodes": [], "unified": False, "total_bytes": 12 * GIB, "held_bytes": 0, "usable_bytes": 12 * GIB}
    made = fleets.tally("box", 16 * GIB)
    return drive({**made, "gpus": [{**sizes, **gpu} for gpu in gpus]}, [], [])


def chosen(*backends, devices=None):
    return {"left_out": {}, "hosts": {"box": {"backends": ["CPU", *backends], "devices": devices}}}


def listed(name, description, total_bytes, unified=None):
    size = {"total_bytes": total_bytes, "free_bytes": total_bytes}
    return {"name": name, "description": description, "unified": unified, **size}


def there(*devices):
    return {"box": {**PROGRAMS, "backends": ["RPC", "CPU", "CUDA", "Vulkan"], "devices": list(devices)}}


RTX, V3D = listed("CUDA0", GPU["name"], 12 * GIB), listed("Vulkan0", "V3D 7.1.7.0", 4 * GIB, True)


@pytest.mark.parametrize(
    ("gpus", "choice", "programs"),
    [
        # Before the build is there, nothing can contradict what it was chosen for; nor can the one that is there now.
        ([GPU], chosen("CUDA"), {}),
        ([RADEON], chosen("Vulkan"), {}),
        ([GPU], chosen("CUDA", devices=[RTX]), {}),
        ([GPU], chosen("CUDA"), there(RTX)),
        # Two drivers' figures for a card are not equal.
        ([GPU], chosen("CUDA"), there(listed("CUDA0", GPU["name"], 12 * GIB - GIB // 2))),
        # A GPU that the host's drivers do not tell of is no device, whoever lists it.
        ([], chosen("Vulkan", devices=[V3D]), {}),
        ([], chosen("Vulkan", devices=[V3D]), there(V3D)),
    ],
)
def test_a_plan_for_what_the_choice_drives_is_deployed(gpus, choice, programs):
    host = with_gpus(*gpus)
    planned = fleets.plan_of(fleets.model(), [host], choice=choice)
    assert [one["id"] for one in planned["devices"]] == (["CUDA0"] if GPU in gpus else ["Vulkan0"] if gpus else [])
    assert deploy(planned, [host], programs, MODEL, {}, choice=choice)["box"]["part"] == "leader"


@pytest.mark.parametrize(
    ("gpus", "choice", "programs", "told"),
    [
        ([GPU], chosen("CUDA"), there(), "box was planned with CUDA0, and llama.cpp there offers CPU alone: see with"),
        (
            # The driver's order is another one than was expected.
            [INTEL | {"unified": True, "total_bytes": 32 * GIB}, RADEON],
            chosen("Vulkan"),
            there(
                listed("Vulkan0", "AMD Radeon RX 7900 XTX (RADV NAVI31)", 12 * GIB, False),
                listed("Vulkan1", "Intel(R) UHD Graphics 770 (ADL-S GT1)", 24 * GIB, True),
            ),
            "box was planned with AMD GPU 0x744c (12.0 GiB) as Vulkan1, which llama.cpp there says is Intel(R) UHD "
            "Graphics 770 (ADL-S GT1) (32.0 GiB): run it again, which plans for what llama.cpp says now that it is "
            "installed. No service was touched.",
        ),
    ],
)
def test_what_was_planned_must_be_what_is_there(gpus, choice, programs, told):
    host = with_gpus(*gpus)
    planned = fleets.plan_of(fleets.model(), [host], choice=choice)
    with pytest.raises(DroverError) as caught:
        deploy(planned, [host], programs, MODEL, {}, choice=choice)
    assert str(caught.value).startswith(told)


def test_a_worker_is_told_what_it_lends_where_its_build_has_more():
    """An RPC server that is told nothing lends whatever GPU it finds."""
    host = with_gpus()
    worker = lone_worker(Cluster("main"), host, there(V3D)["box"], Settings())
    assert worker["arguments"][worker["arguments"].index("--device") + 1] == "CPU"
    assert worker["environment"]["GGML_VK_VISIBLE_DEVICES"] == ""


def test_a_program_that_is_not_there_yet_is_called_by_its_name():
    """As in check mode on fresh hosts; the newest flags are written for."""
    deployments = deploy(plan(), tallies(), {}, MODEL, {})
    assert [deployments[host]["program"] for host in ("head", "pi-1")] == ["llama-server", "ggml-rpc-server"]
    assert "--fit" in deployments["head"]["arguments"]


def test_a_plan_that_does_not_fit_is_not_deployed():
    with pytest.raises(DroverError, match=r"since the plan says: It lacks 2 GiB\.$"):
        deployed(feasible=False, shortfall={"kind": "memory", "text": "It lacks 2 GiB."})


def test_a_host_without_a_tally_is_refused():
    with pytest.raises(DroverError, match=r"^pi-2 takes part in the plan and has no tally"):
        deploy(plan(), tallies()[:2], {}, MODEL, {})


def alone(**changes):
    made = {**tally("pi-9", address("10.0.0.19")), "exclude": "", "obstacles": [], "port": 50061, "threads": 3}
    made["network"].update(default_interface="eth0", arrived_at=None)
    return {**made, "cpu": {"cores": 4, "physical_cores": 4}, **changes}


def test_a_worker_that_no_plan_knows():
    settings = Settings.from_dict({"rpc_server_allowed_addresses": ["10.0.0.1"]}, "pi-9")
    worker = lone_worker(Cluster("lone"), alone(), PROGRAMS, settings)
    assert (worker["cluster"], worker["allow"], worker["memory_bytes"]) == ("lone", ["10.0.0.1"], 0)
    assert worker["arguments"] == worker_arguments("10.0.0.19", 50061, 3, True)
    assert worker["listen"] == {"address": "10.0.0.19", "port": 50061}
    assert read_deployment(worker) == worker


def test_a_worker_that_cannot_run_is_refused():
    with pytest.raises(DroverError, match="pi-9 cannot lend its memory: It has no systemd"):
        lone_worker(Cluster("lone"), alone(obstacles=["It has no systemd."]), PROGRAMS, Settings())


def test_settings_come_once_a_host():
    assert settings_by_host([{"host": "a", "llama_server_port": 1}, {"host": "b"}]) == {
        "a": {"llama_server_port": 1},
        "b": {},
    }
    with pytest.raises(DroverError, match="The settings of a come twice"):
        settings_by_host([{"host": "a"}, {"host": "a"}])
    with pytest.raises(DroverError, match="The host of some settings is None"):
        settings_by_host([{"llama_server_port": 1}])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": 2}, "The deployment has schema 2 where schema 1 was expected"),
        ({"cluster": "Main"}, "The cluster is called 'Main'"),
        ({"host": ""}, "The deployment's host is ''"),
        ({"part": "boss"}, "The deployment's part is 'boss' but must be one of leader, worker"),
        ({"program": ""}, "The deployment's program is ''"),
        ({"program": None}, "The deployment has program None where a text was expected"),
        ({"arguments": ["--port", 1]}, "The deployment has arguments .* where only texts were expected"),
        ({"environment": {"A": 1}}, "The deployment has environment .* where only texts were expected"),
        ({"nodes": [{"path": "/dev/kfd"}]}, "The deployment has nodes .* where only texts were expected"),
        ({"groups": [109]}, "The deployment has groups .* where only texts were expected"),
        (
            {"listen": {"address": "10.0.0.1"}},
            "The deployment's listen port is None but must be a whole number from 1 to",
        ),
        ({"listen": {"address": "10.0.0.1", "port": 0}}, "The deployment's listen port is 0"),
        ({"listen": {"port": 1}}, "The deployment's listen address is None"),
        ({"allow": [""]}, "An address that the deployment allows is ''"),
        (
            {"allow": ["10.0.0.1; accept"]},
            "An address that the deployment allows is '10.0.0.1; accept' but must be an IP",
        ),
        ({"allow": "10.0.0.1"}, "The deployment has allow '10.0.0.1' where a list or null was expected"),
        ({"build": {"prints": ["/m"]}}, "The deployment's prints is .* but must be a dictionary"),
        ({"build": {"prints": {"/m": 1}}}, "The deployment has prints .* where only texts were expected"),
        ({"files": ["/m"]}, "A file of the deployment is '/m' but must be a dictionary"),
        ({"files": [{"bytes": 1}]}, "The path of a file of the deployment is None"),
        ({"files": [{"path": "/m", "bytes": -1}]}, "The deployment's size of /m is -1"),
        ({"memory_bytes": True}, "The deployment has memory_bytes True"),
        ({"memory_bytes": -1}, "The deployment's memory_bytes is -1"),
        ({"cache": {"days": 1}}, "The deployment's cache directory is None"),
        ({"cache": {"directory": "/c", "days": 0}}, "The deployment's cache days is 0"),
        ({"cache": {"directory": "/c", "days": 1, "bytes": None}}, "The deployment's cache bytes is None"),
    ],
)
def test_what_is_no_deployment_is_refused_in_one_sentence(changes, told):
    with pytest.raises(DroverError, match=f"^{told}") as caught:
        read_deployment({**deployed()["pi-1"], **changes})
    assert "\n" not in str(caught.value)


def test_one_from_before_there_were_gpus_uses_none():
    made = deployed()["pi-1"]
    assert read_deployment({name: made[name] for name in made if name not in ("nodes", "groups")}) == made


@pytest.mark.parametrize("name", [name for name in deployed()["pi-1"] if name not in ("nodes", "groups", "healing")])
def test_every_field_must_be_there(name):
    made = deployed()["pi-1"]
    del made[name]
    with pytest.raises(DroverError, match=f"has no {name}"):
        read_deployment(made)
