# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to what every host runs: the deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..builds.known import known_problem
from ..errors import DroverError
from ..hosts.address import is_private
from ..hosts.addresses import choose_addresses, source_addresses
from ..hosts.devices import CPU, drive, drive_chosen, lent
from ..placement.cost import threads
from .cluster import Cluster
from .command_line import leader_arguments, worker_arguments
from .deployment import ADDRESS, SCHEMA, build_of
from .planned_devices import require_devices
from .settings import Settings
from .tunnel import Place, through_tunnel, tunnel_of, within, worker_places
from .visible import Visible, visible

# llama.cpp keeps its tensor cache in the folder rpc of this one. All clusters share it: content names a tensor.
CACHE_FOLDER = "/var/cache/drover"
# Upstream: ggml/src/ggml.c, ggml_print_backtrace.
NO_BACKTRACE = {"GGML_NO_BACKTRACE": "1"}


def deploy(
    plan: dict[str, Any],
    tallies: list[dict[str, Any]],
    programs: dict[str, dict[str, Any]],
    model: dict[str, Any],
    settings: dict[str, dict[str, Any]],
    pods: Mapping[str, Mapping[str, Any]] | None = None,
    choice: dict[str, Any] | None = None,
    gateways: Iterable[dict[str, Any]] = (),
) -> dict[str, dict[str, Any]]:
    """Host -> deployment, for every host that takes part in ``plan``; one that holds no layer yet is a worker, too.

    ``programs``: host -> what llama_cpp_info found there (nothing: the newest build known is written for). ``model``:
    its ``path`` and ``alias``, and its ``files`` (``path``, ``bytes``). ``settings``: host -> its owner's wishes, see
    ``Settings``. ``pods``: the hosts whose part runs in a pod, each with its ``sources``, the addresses and networks
    that it comes from for hosts outside, and ``most_bytes``, see ``deployment``. ``choice``: what llama_cpp_choice
    returned, by which the plan was made. ``gateways``: tallies of the hosts through which clients come; then the
    leader's API lets in nobody else. Raises DroverError, one sentence, for a wish that cannot be had.
    """
    if not plan["feasible"]:
        raise DroverError(f"There is nothing to deploy, since the plan says: {plan['shortfall']['text']}")
    planned = {tally["host"]: drive_chosen(tally, choice) for tally in tallies}
    hosts = {host: _driven(tally, programs.get(host, {})) for host, tally in planned.items()}
    wishes = {host: Settings.from_dict(settings.get(host, {}), host) for host in plan["addresses"]}
    for host in sorted(plan["addresses"]):
        if host not in hosts:
            raise DroverError(
                f"{host} takes part in the plan and has no tally: take stock of all hosts and plan again."
            )
    _require_one_build(programs, plan["addresses"])
    require_devices(plan, planned, hosts)
    _refuse_bad_build(plan, programs.get(plan["leader"], {}).get("build"))
    leader = plan["leader"]
    cluster = Cluster(plan["cluster"])
    heals = wishes[leader].llama_server_heals
    if "leaders" in plan and not heals:
        raise DroverError(
            "placement_standby is set, and a standby takes over only in a cluster that heals itself: set "
            "llama_server_heals to true, or placement_standby to 0."
        )
    pods = pods or {}
    places = worker_places(plan, wishes)
    if places and (pods or not heals):
        raise DroverError(_no_tunnel(sorted(places), in_pods=bool(pods)))
    # Whoever may lead.
    leaders = plan.get("leaders", [leader])
    deployments = {
        leader: _leader(
            cluster,
            plan,
            hosts[leader],
            programs.get(leader, {}),
            model,
            wishes[leader],
            pod=pods.get(leader),
            heals=heals,
            gateways=gateways,
            places=places,
        )
    }
    let_in = (
        pods[leader]["sources"]
        if leader in pods
        else [address for host in leaders for address in source_addresses(hosts[host], plan["network"])]
    )
    for host, place in plan["addresses"].items():
        if host != leader:
            deployments[host] = _worker(
                cluster,
                hosts[host],
                _lent(plan, hosts[host]),
                None if host in pods else place["address"],
                place["port"],
                plan["threads"][host],
                # Within Kubernetes a pod is known by its labels: its address is another one tomorrow.
                [] if host in pods and leader in pods else let_in,
                programs.get(host, {}),
                wishes[host],
                _memory_bytes(plan, hosts[host]),
                heals,
                pods.get(host),
                tunnel_of(places, host, leads=host in leaders),
            )
    return {host: deployments[host] for host in sorted(deployments)}


def _no_tunnel(hosts: list[str], in_pods: bool) -> str:
    if in_pods:
        return (
            f"{', '.join(hosts)} would have rpc_server_tls, and parts of the cluster run in pods: set it to false, and "
            "have the network of Kubernetes encrypt, by a service mesh or its CNI plugin (Cilium, Calico and Flannel "
            "can by WireGuard)."
        )
    return (
        f"{', '.join(hosts)} would have rpc_server_tls, whose key is made of the secret of a cluster that heals "
        "itself: set llama_server_heals to true, or rpc_server_tls to false."
    )


def _require_one_build(programs: dict[str, dict[str, Any]], hosts: Iterable[str]) -> None:
    """Refuse hosts whose programs are of different builds, which do not understand each other."""
    # What was compiled from a tarball may have no build number, and what is older than versions has no version.
    builds = {host: build_of(programs[host]) for host in hosts if programs.get(host, {}).get("server")}
    if len({tuple(build.values()) for build in builds.values()}) > 1:
        told = "; ".join(
            f"{host} has {build['version']} (build {build['build']}, RPC {build['rpc_protocol']})"
            for host, build in builds.items()
        )
        raise DroverError(
            f"The hosts run different builds of llama.cpp, which do not work together: {told}. Bring them to one "
            "build, or set placement_exclude to true on those that differ. No service was touched."
        )


def _lent(plan: dict[str, Any], tally: dict[str, Any]) -> list[str]:
    """The ids of the devices that a worker lends, as planned; one that holds nothing yet lends all."""
    planned = [endpoint["devices"] for endpoint in plan["endpoints"] if endpoint["host"] == tally["host"]]
    return planned[0] if planned else [device["id"] for device in lent(tally)]


def _refuse_bad_build(plan: dict[str, Any], build: int | None) -> None:
    """Refuse a build that is known to fail on a plan like this; of packages the number is known only now."""
    problem = known_problem(build, sum(endpoint["devices"] == [CPU] for endpoint in plan["endpoints"]))
    if problem:
        raise DroverError(problem)


def _prints(programs: dict[str, Any], listen: dict[str, Any]) -> dict[str, Any]:
    """Of what is in an image, which alone leaves the address to a pod, nothing can be replaced."""
    return {"prints": programs["prints"]} if programs.get("prints") and listen["address"] else {}


def lone_worker(cluster: Cluster, tally: dict[str, Any], programs: dict[str, Any], wishes: Settings) -> dict[str, Any]:
    """The deployment of a worker that no plan knows: where and with how many threads is in its own ``tally``, and the
    wishes say who may connect. Raises DroverError for a host that cannot run it."""
    host = tally["host"]
    tally = _driven(tally, programs)
    if tally["obstacles"]:
        raise DroverError(f"{host} cannot lend its memory: {tally['obstacles'][0]}")
    if wishes.rpc_server_tls:
        raise DroverError(
            f"{host} would have rpc_server_tls, and its leader is not known here, which needs the other end of the "
            "tunnel: set it to false, or use site.yml for all of the cluster."
        )
    address = choose_addresses([tally]).chosen[host]["address"]
    devices = [device["id"] for device in lent(tally)]
    return _worker(cluster, tally, devices, address, tally["port"], threads(tally), [], programs, wishes)


def _worker(
    cluster: Cluster,
    tally: dict[str, Any],
    devices: list[str],
    address: str | None,
    port: int,
    threads: int,
    allow: Iterable[str],
    programs: dict[str, Any],
    wishes: Settings,
    memory_bytes: int = 0,
    heals: bool = False,
    pod: Mapping[str, Any] | None = None,
    tunnel: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    host, guarded = tally["host"], wishes.rpc_server_tls or wishes.rpc_server_allow_public_address
    if not (address is None or guarded or is_private(address)):
        raise DroverError(
            f"The RPC server of {host} would listen on {address}, which is not a private address, and llama.cpp's RPC "
            "has neither passwords nor encryption; set rpc_server_address to the host's private address (or "
            "rpc_server_tls to true, or rpc_server_allow_public_address if another wall protects it)."
        )
    if address and wishes.rpc_server_tls:
        address = within(address)
    cache = wishes.rpc_server_cache
    dcgm = {"dcgm": True} if wishes.rpc_server_dcgm_exporter else {}
    flags, build = _flags(programs, "rpc_server_flags")
    shown = visible(tally, devices)
    # Without a name it would lend whatever GPU its build finds.
    named = [shown.names[name] for name in devices] if tally["devices"][1:] or tally["passed_over"] else []
    return _deployment(
        cluster,
        host,
        "worker",
        programs,
        program=programs.get("rpc_server") or "ggml-rpc-server",
        arguments=worker_arguments(address or ADDRESS, port, threads, cache, flags, build, named),
        shown=shown,
        environment={"LLAMA_CACHE": CACHE_FOLDER} if cache else {},
        listen={"address": address, "port": port},
        allow=sorted({*allow, *wishes.rpc_server_allowed_addresses}),
        memory_bytes=memory_bytes,
        cache=_cache(wishes) if cache else None,
        healing={"port": wishes.rpc_server_agent_port, **dcgm, **_bound(pod)} if heals else None,
        tunnel=tunnel,
    )


def _bound(pod: Mapping[str, Any] | None) -> dict[str, int]:
    return {"most_bytes": pod["most_bytes"]} if pod else {}


def _cache(wishes: Settings) -> dict[str, Any]:
    bound = {"bytes": wishes.rpc_server_cache_max_bytes} if wishes.rpc_server_cache_max_bytes else {}
    return {"directory": f"{CACHE_FOLDER}/rpc", "days": wishes.rpc_server_cache_days, **bound}


def _leader(
    cluster: Cluster,
    plan: dict[str, Any],
    tally: dict[str, Any],
    programs: dict[str, Any],
    model: dict[str, Any],
    wishes: Settings,
    pod: Mapping[str, Any] | None,
    heals: bool,
    gateways: Iterable[dict[str, Any]],
    places: Mapping[str, list[Place]],
) -> dict[str, Any]:
    host = plan["leader"]
    if pod and wishes.llama_server_address:
        raise DroverError(
            f"llama_server_address of {host} is {wishes.llama_server_address}, and it leads in a pod, which listens on "
            "the address that Kubernetes gives it: take the setting back, and choose the Service's type and port."
        )
    address = None if pod else wishes.llama_server_address or plan["addresses"][host]["address"]
    if not (address is None or wishes.llama_server_allow_public_address or is_private(address)):
        raise DroverError(
            f"The API of {host} would listen on {address}, which is not a private address, over plain HTTP; set "
            "llama_server_address to the host's private address (or llama_server_allow_public_address to true if "
            "another wall protects it)."
        )
    # What a gateway on the leader asks comes by loopback, which is let in anyway.
    sources = {address for each in gateways for address in source_addresses(each, plan["network"])}
    let_in = sources.union(wishes.llama_server_allowed_addresses)
    flags, build = _flags(programs, "server_flags")
    keys = wishes.llama_server_api_key_file or cluster.api_key_path
    used = [device["id"] for device in plan["devices"] if device["host"] == host]
    shown = visible(tally, used)
    return _deployment(
        cluster,
        host,
        "leader",
        programs,
        program=programs.get("server") or "llama-server",
        arguments=leader_arguments(
            through_tunnel(plan, places),
            model,
            address or ADDRESS,
            wishes.llama_server_port,
            wishes.llama_server_threads or plan["threads"][host],
            keys,
            list(wishes.llama_server_extra_arguments),
            flags,
            build,
            shown.names,
            heals,
        ),
        shown=shown,
        # It would have a debugger look into it for half a minute, where there is one, before it ends.
        environment=NO_BACKTRACE if heals else {},
        listen={"address": address, "port": wishes.llama_server_port},
        # It has keys, so everybody may, unless somebody was named.
        allow=sorted(let_in) or None,
        files=[
            *({"path": file["path"], "bytes": file["bytes"]} for file in model["files"]),
            {"path": keys, "bytes": None},
        ],
        memory_bytes=_memory_bytes(plan, tally),
        healing=(
            {
                "port": wishes.llama_server_health_port,
                "drain_seconds": wishes.llama_server_drain_seconds,
                **({"leaders": plan["leaders"]} if "leaders" in plan else {}),
                **_bound(pod),
            }
            if heals
            else None
        ),
        tunnel=tunnel_of(places, host, leads=True),
    )


def _deployment(
    cluster: Cluster,
    host: str,
    part: str,
    programs: dict[str, Any],
    *,
    program: str,
    arguments: list[str],
    listen: dict[str, Any],
    memory_bytes: int,
    shown: Visible,
    environment: dict[str, str] | None = None,
    allow: list[str] | None = None,
    files: list[dict[str, Any]] | None = None,
    cache: dict[str, Any] | None = None,
    healing: dict[str, Any] | None = None,
    tunnel: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "cluster": cluster.name,
        "host": host,
        "part": part,
        "build": {**build_of(programs), **_prints(programs, listen)},
        "program": program,
        "arguments": arguments,
        "environment": {**shown.environment, **(environment or {})},
        "nodes": shown.nodes,
        "groups": shown.groups,
        "listen": listen,
        "allow": allow,
        "files": files or [],
        "memory_bytes": memory_bytes,
        "cache": cache,
        "healing": healing,
        **(tunnel or {}),
    }


def _flags(programs: dict[str, Any], name: str) -> tuple[list[str] | None, int | None]:
    """The flags and the number of the build; a program that did not tell its flags has none, which cannot be."""
    return programs.get(name) or None, programs.get("build")


def _driven(tally: dict[str, Any], programs: dict[str, Any]) -> dict[str, Any]:
    """The tally with the devices that the build drives which is there now; another one was when it was taken."""
    if not programs.get("backends"):
        return tally
    return drive(tally, programs["backends"], programs.get("devices"))


def _memory_bytes(plan: dict[str, Any], tally: dict[str, Any]) -> int:
    """What ``plan`` puts into the main memory of a host: on its CPU, and on GPUs that share it."""
    known = {device["id"]: device for device in tally["devices"]}
    total = plan["host"]["total_bytes"] if tally["host"] == plan["leader"] else 0
    for device in plan["devices"]:
        if device["host"] == tally["host"] and (device["kind"] == "cpu" or known[device["id"]]["unified"]):
            total += device["total_bytes"]
    return int(total)
