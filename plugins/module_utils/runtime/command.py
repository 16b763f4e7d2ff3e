# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover``: the brain as a command, for units, pods and people. Commands are imported when they are called."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from ..errors import DroverError, NotYet
from .say import complain, say

# sysexits.h: what a host was told to run cannot be; and what may be in a while.
EX_CONFIG = 78
EX_TEMPFAIL = 75
NO = 1
# Not an option: a process list shows arguments to everyone.
TOKEN_VARIABLE = "DROVER_TOKEN"


def main(version: str, arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``version`` is the collection's."""
    given = _parser().parse_args(arguments)
    try:
        return _run(given, version)
    except DroverError as error:
        complain(str(error))
        return EX_TEMPFAIL if isinstance(error, NotYet) else EX_CONFIG
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(given: argparse.Namespace, version: str) -> int:
    if given.command in ("worker", "leader"):
        from .part import become

        return become(given.cluster, given.command)
    if given.command == "keep":
        from .keep import keep

        return keep(given.part, given.cluster)
    if given.command == "agent":
        from .agent import serve

        return serve(given.cluster)
    if given.command == "tunnel":
        from .tunnel import run_tunnel

        return run_tunnel(given.cluster)
    if given.command == "watch":
        from .watch import watch

        return watch(given.cluster)
    if given.command == "status":
        from .status import print_status

        return 0 if print_status(given.cluster, given.json) else NO
    if given.command == "firewall":
        from .firewall import close_firewall, close_gateway, open_firewall, open_gateway

        opens, closes = (open_gateway, close_gateway) if given.gateway else (open_firewall, close_firewall)
        (opens if given.action == "open" else closes)(given.cluster)
        return 0
    if given.command == "launchd":
        from .launchd import print_job

        print_job(given)
        return 0
    if given.command == "tally":
        from .tally import print_tally

        print_tally(given)
        return 0
    if given.command == "plan":
        from .plan import print_plan

        return 0 if print_plan(given) else NO
    if given.command in ("ready", "alive"):
        from .probes import lost, unready

        reason = (unready if given.command == "ready" else lost)(given.cluster)
        if reason:
            complain(reason)
        return NO if reason else 0
    if given.command == "await":
        from .waiting import wait

        _end_on_sigterm()
        wait(given.cluster)
        return 0
    if given.command == "fetch":
        from .fetch import fetch

        _end_on_sigterm()
        fetch(given)
        return 0
    if given.command == "complete":
        from .evidence import print_completion

        print_completion(given.cluster, given.max_tokens, given.timeout)
        return 0
    if given.command == "held":
        from .evidence import print_held

        print_held(given.cluster)
        return 0
    if given.command in ("manifest", "cached", "place", "prune"):
        from . import weights

        _end_on_sigterm()
        if given.command == "manifest":
            weights.print_manifest(given.model, given.processes, given.directory, given.quickly)
        elif given.command == "cached":
            weights.print_cached(given.cluster)
        elif given.command == "prune":
            weights.prune(given.cluster)
        else:
            weights.print_placed(given.cluster, given.parallel, given.verify)
        return 0
    if given.command == "offer":
        from .offer import offer

        _end_on_sigterm()
        offer(given)
        return 0
    if given.command == "inspect":
        from .model_file import print_header

        print_header(given.model)
        return 0
    if given.command == "receive":
        from .model_file import receive

        receive(given.to, given.bytes, given.note)
        return 0
    say(version)
    return 0


def _end_on_sigterm() -> None:
    """Process 1 of a pod is told to end in vain unless it has asked to be told."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="drover",
        description="One private LLM endpoint, pooled over several machines through llama.cpp.",
        epilog=f"Exit codes: 0 done or yes, {NO} no (a plan that is not feasible, a part that is not ready or alive), "
        f"2 wrong usage, {EX_TEMPFAIL} try again later, {EX_CONFIG} anything else that is wrong, told in one sentence.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    worker = commands.add_parser("worker", help="become the RPC server that this host's deployment names")
    leader = commands.add_parser("leader", help="become the llama-server that this host's deployment names")
    firewall = commands.add_parser("firewall", help="let in whom the deployment allows, or take that back; as root")
    firewall.add_argument("action", choices=("open", "close"), help="open before a start, close after the end")
    firewall.add_argument("--gateway", action="store_true", help="for the gateway on this host, in place of its part")
    keep = commands.add_parser("keep", help="run a part, and start it anew whenever it ends; a pod's program")
    keep.add_argument("part", choices=("leader", "worker"), help="what to run")
    agent = commands.add_parser(
        "agent", help="answer this worker's leader: how it is, what it lends, what it is to run"
    )
    watch = commands.add_parser("watch", help="watch this leader's workers, and heal the cluster")
    tunnel = commands.add_parser("tunnel", help="become this host's end of the tunnel that encrypts what members say")
    status = commands.add_parser("status", help="print how the cluster is that this host leads")
    status.add_argument("--json", action="store_true", help="as JSON, and with 0 whether or not all is well")
    ready = commands.add_parser("ready", help="tell whether this host's part serves; a pod's readiness probe")
    alive = commands.add_parser("alive", help="tell whether a leader must be started anew; its pod's liveness probe")
    waiting = commands.add_parser("await", help="end when all is there that the deployment needs; a pod's init step")
    complete = commands.add_parser("complete", help="print a completion of the leader that runs here, as JSON")
    complete.add_argument("--max-tokens", type=int, default=4, metavar="N", help="tokens to make (default: 4)")
    complete.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="for all of it (default: 600)"
    )
    held = commands.add_parser("held", help="print what the part in this pod holds and who is connected, as JSON")
    parts = (worker, leader, keep, agent, watch, tunnel)
    for command in (*parts, status, firewall, ready, alive, waiting, complete, held):
        command.add_argument("--cluster", required=True, metavar="NAME", help="name of the cluster, such as main")
    launchd = commands.add_parser("launchd", help="print the launchd job by which a Mac would run a deployment")
    launchd.add_argument("--deployment", required=True, metavar="FILE", help="what it is to run, as JSON")
    launchd.add_argument("--pf", action="store_true", help="print the rules for pf that close its port instead")
    tally = commands.add_parser("tally", help="print what this host can lend, as JSON; as root")
    tally.add_argument(
        "--cluster", default="main", metavar="NAME", help="what this cluster holds counts as available (default: main)"
    )
    tally.add_argument("--host", metavar="NAME", help="name of this host in the cluster (default: its own)")
    tally.add_argument("--reserve-bytes", type=int, metavar="N", help="memory to leave to the host's own work")
    tally.add_argument("--threads", type=int, metavar="N", help="threads to compute with")
    tally.add_argument("--devices", nargs="+", default=[], metavar="NAME", help="devices to lend, such as CUDA0 CPU")
    tally.add_argument("--address", metavar="IPV4", help="address that the other hosts reach this one by")
    tally.add_argument("--port", type=int, metavar="N", help="port of the RPC server")
    tally.add_argument("--disk-path", metavar="FOLDER", help="where the model is going to be put")
    tally.add_argument("--pod", action="store_true", help="in a pod, as any user: tell of the node that it runs on")
    tally.add_argument("--keep", action="store_true", help="for this pod's agent to tell, in place of printing it")
    tally.add_argument("--no-bandwidth", action="store_true", help="do not measure the memory's bandwidth")
    plan = commands.add_parser("plan", help="print which host would hold which layers, as JSON; touches no host")
    plan.add_argument("--model", required=True, metavar="FILE", help="a GGUF model, or the JSON of its gguf_info")
    plan.add_argument("--tally", required=True, nargs="+", metavar="FILE", help="what each host can lend, as JSON")
    plan.add_argument("--policy", metavar="FILE", help="what is wished of the plan, as JSON (default: nothing special)")
    plan.add_argument("--cluster", default="main", metavar="NAME", help="name of the cluster (default: main)")
    fetch = commands.add_parser("fetch", help="fetch a model that is not there yet; a pod's init step")
    fetch.add_argument("--url", required=True, metavar="URL", help="where it is; of a split model the first shard")
    fetch.add_argument("--to", required=True, metavar="FILE", help="where it goes; other shards go beside it")
    fetch.add_argument("--sha256", nargs="+", default=[], metavar="HEX", help="its checksum, one for each shard")
    fetch.add_argument(
        "--token-file", metavar="FILE", help=f"holds a bearer token (default: what {TOKEN_VARIABLE} holds, if anything)"
    )
    inspect = commands.add_parser("inspect", help="print what the header of a model says, as JSON")
    inspect.add_argument("--model", required=True, metavar="FILE", help="a GGUF model; of a split one the first shard")
    receive = commands.add_parser("receive", help="take a file in from standard input, unless it is there already")
    receive.add_argument("--to", required=True, metavar="FILE", help="where it goes")
    receive.add_argument("--bytes", required=True, type=int, metavar="N", help="how long it is")
    receive.add_argument(
        "--note", required=True, metavar="TEXT", help="what it is made from; the same is not taken twice"
    )
    manifest = commands.add_parser("manifest", help="print which bytes of a model are which cached tensor, as JSON")
    manifest.add_argument("--model", required=True, metavar="FILE", help="a GGUF model; of a split one the first shard")
    manifest.add_argument("--processes", type=int, metavar="N", help="processes to hash with (default: one a core)")
    manifest.add_argument("--directory", metavar="FOLDER", help="where it is kept (default: beside the model)")
    manifest.add_argument(
        "--quickly", action="store_true", help="print {} where it is to be made by Python alone, which takes long"
    )
    cached = commands.add_parser("cached", help="print what is in this host's tensor cache, as JSON")
    place = commands.add_parser("place", help="fill this host's tensor cache; sources come by standard input, as JSON")
    place.add_argument("--parallel", type=int, default=4, metavar="N", help="tensors to fetch at once (default: 4)")
    place.add_argument("--verify", action="store_true", help="read what is there, and fetch anew what is damaged")
    prune = commands.add_parser("prune", help="bring this host's tensor cache within the bounds of its deployment")
    for command in (cached, place, prune):
        command.add_argument("--cluster", required=True, metavar="NAME", help="name of the cluster, such as main")
    offer = commands.add_parser("offer", help="give ranges of a model, or of this host's tensor cache, for a while")
    offered = offer.add_mutually_exclusive_group(required=True)
    offered.add_argument("--model", metavar="FILE", help="a GGUF model; of a split one the first shard")
    offered.add_argument("--cluster", metavar="NAME", help="the tensor cache of this cluster's worker")
    offer.add_argument("--address", required=True, metavar="IPV4", help="address to listen on")
    offer.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on (default: any)")
    offer.add_argument("--allow", required=True, nargs="+", metavar="ADDRESS", help="who may ask")
    offer.add_argument("--seconds", type=float, default=3600.0, metavar="N", help="how long (default: 3600)")
    offer.add_argument(
        "--idle",
        type=float,
        default=60.0,
        metavar="N",
        help="end when nobody has asked for so many seconds (default: 60)",
    )
    offer.add_argument(
        "--user", metavar="NAME", help="as root: open this host's firewalls for them meanwhile, and serve as this user"
    )
    commands.add_parser("version", help="print the version of Drover")
    return parser
