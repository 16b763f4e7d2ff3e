# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address each host of a cluster is reached by: one in a network that all of them share.

An address that is good for one host may be unknown to the others: the Wi-Fi that the operator comes by, a bridge for
containers. So the choice is made for all hosts at once, from all their addresses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ..errors import DroverError
from ..text import counted
from .address import is_address
from .machine import refuse_twins

# From the best to the worst. A tunnel ends on the same cables as everything else, and encrypts.
KIND_RANKS = {"ethernet": 0, "wireless": 1, "virtual": 2, "tunnel": 3, "bridge": 4, "loopback": 5}
KIND_WORDS = {
    "ethernet": "wired",
    "wireless": "Wi-Fi",
    "virtual": "virtual",
    "tunnel": "a tunnel",
    "bridge": "a bridge",
    "loopback": "loopback",
}
# What a wired card that does not tell its speed is taken for.
UNKNOWN_WIRED_MBPS = 1000


@dataclass(frozen=True)
class Addresses:
    """``chosen``: for each host that takes part ``address``, ``interface`` (None where it is not known), ``speed_mbps``
    (the lesser of what the card says and what was measured, or None) and ``round_trip_seconds`` (measured, or None).
    ``network``: the one that all of them share, as text, or None. ``reasons``: sentences, which network and why.
    ``warnings``: sentences, such as of a faster link that is not used."""

    chosen: dict[str, dict[str, Any]]
    network: str | None
    reasons: list[str]
    warnings: list[str]


def takes_part(tally: dict[str, Any]) -> bool:
    """Tell whether a host is one of the cluster: nobody left it out, and nothing there keeps Drover from running."""
    return not tally["exclude"] and not tally["obstacles"]


def choose_addresses(tallies: Sequence[dict[str, Any]]) -> Addresses:
    """Choose the network that all hosts which take part share, and in it an address for each.

    The fastest one by what its slowest member's hardware says; private before public, wired before wireless before
    virtual before tunnels. Where several are equal, the one that Ansible came by, then that of the default routes. A
    user's own address (``network.address``) always stands, and is where the others are looked for first. A pod has a
    name in its place, which is in no network.

    Raises DroverError, naming the host that the others do not share a network with, or the names of one machine.
    """
    members = sorted((tally for tally in tallies if takes_part(tally)), key=lambda tally: str(tally["host"]))
    if not members:
        return Addresses({}, None, [], [])
    if len(members) == 1:
        return _alone(members[0])
    refuse_twins(members)
    offers = _offers(members)
    shared = {network: _members_of(network, offers) for network in _networks(offers)}
    free = [tally["host"] for tally in members if not tally["network"]["address"]]
    everywhere = [network for network, best in shared.items() if len(best) == len(members)]
    # A user's own address may be in a network apart; then the others have to share one all the same.
    common = everywhere or [network for network, best in shared.items() if free and set(free) <= best.keys()]
    if not common and free:
        raise _apart(members, offers, shared, free)
    if not common:
        chosen = {tally["host"]: _entry(tally, offers[tally["host"]][0]) for tally in members}
        return Addresses(chosen, None, ["Every host is reached by the address that was set on it."], [])
    network = min(common, key=lambda one: (-len(shared[one]), _rank(one, shared[one], members)))
    inside = shared[network]
    chosen = {tally["host"]: _entry(tally, inside.get(tally["host"]) or offers[tally["host"]][0]) for tally in members}
    slower = [other for other in common if _worst(shared[other]) > _worst(inside)]
    reasons = [_reason(network, inside, len(common), len(slower), len(members))] + [
        f"{host} is reached by {entry['address']}, which was set on it."
        for host, entry in chosen.items()
        if host not in inside
    ]
    return Addresses(chosen, str(network), reasons, _warnings(network, shared, members))


def source_addresses(tally: dict[str, Any], network: str | None) -> list[str]:
    """All addresses that a host's kernel may send from to ``network``: who to let in, wherever it listens itself.

    Those in it, since a host with a cable and Wi-Fi in one network sends by either; where there is none (or no
    ``network``), all but those of container bridges, since any route may be taken. The user's own address comes first.
    """
    own = tally["network"]["address"]
    entries = [entry for entry in tally["network"]["addresses"] if entry["kind"] != "loopback"]
    inside = [entry for entry in entries if network and IPv4Network(entry["network"]).overlaps(IPv4Network(network))]
    found = inside or [entry for entry in entries if entry["kind"] != "bridge"]
    first = [own] if own and is_address(own) else []
    return list(dict.fromkeys([*first, *(entry["address"] for entry in found)]))


def _alone(tally: dict[str, Any]) -> Addresses:
    """One host needs no network: its own choice, else by the default route, by SSH, any private one, loopback."""
    network = tally["network"]

    def rank(entry: dict[str, Any]) -> tuple[Any, ...]:
        return (
            entry["kind"] == "loopback",
            entry["interface"] != network["default_interface"],
            entry["address"] != network["arrived_at"],
            KIND_RANKS[entry["kind"]],
            not entry["private"],
            IPv4Address(entry["address"]),
        )

    entries = _own_choice(tally) or sorted(network["addresses"], key=rank)
    if not entries:
        raise DroverError(f"{tally['host']} tells no IPv4 address: set rpc_server_address on it.")
    return Addresses({tally["host"]: _entry(tally, entries[0])}, entries[0]["network"], [], [])


def _own_choice(tally: dict[str, Any]) -> list[dict[str, Any]]:
    """The address that the user set, described as far as the host knows it; empty without one."""
    own = tally["network"]["address"]
    if not own:
        return []
    # A name, as pods have one, stands for whatever address is behind it at the time.
    network = f"{own}/32" if is_address(own) else None
    unknown = {"address": own, "network": network, "interface": None, "kind": "virtual", "speed_mbps": None}
    known = [entry for entry in tally["network"]["addresses"] if entry["address"] == own]
    return known[:1] or [{**unknown, "private": True}]


def _offers(members: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Host -> the addresses that others might reach it by: the user's own choice alone, or all but loopback.

    An address that several hosts have, such as Docker's 172.17.0.1, leads from each of them back to itself.
    """
    found = {tally["host"]: tally["network"]["addresses"] for tally in members}
    counts = Counter(address for entries in found.values() for address in {entry["address"] for entry in entries})
    return {
        tally["host"]: _own_choice(tally)
        or [entry for entry in found[tally["host"]] if entry["kind"] != "loopback" and counts[entry["address"]] == 1]
        for tally in members
    }


def _networks(offers: dict[str, list[dict[str, Any]]]) -> list[IPv4Network]:
    found = {entry["network"] for entries in offers.values() for entry in entries}
    return sorted(IPv4Network(network) for network in found if network)


def _members_of(network: IPv4Network, offers: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Host -> its best address in ``network``, for the hosts that have one and reach all of it directly."""
    found = {}
    for host, entries in offers.items():
        inside = [
            entry
            for entry in entries
            if entry["network"]
            and IPv4Address(entry["address"]) in network
            and network.subnet_of(IPv4Network(entry["network"]))
        ]
        if inside:
            found[host] = min(inside, key=lambda entry: (_quality(entry), IPv4Address(entry["address"])))
    return found


def _quality(entry: dict[str, Any]) -> tuple[bool, int, int]:
    """Lower is better: private, kind, speed."""
    unknown = UNKNOWN_WIRED_MBPS if entry["kind"] == "ethernet" else 0
    return (not entry["private"], KIND_RANKS[entry["kind"]], -(entry["speed_mbps"] or unknown))


def _worst(best: dict[str, dict[str, Any]]) -> tuple[bool, int, int]:
    """A network is as good as its worst member."""
    return max(_quality(entry) for entry in best.values())


def _kind(best: dict[str, dict[str, Any]]) -> str:
    kinds: list[str] = [entry["kind"] for entry in best.values()]
    return max(kinds, key=KIND_RANKS.__getitem__)


def _rank(
    network: IPv4Network, best: dict[str, dict[str, Any]], members: Iterable[dict[str, Any]]
) -> tuple[tuple[bool, int, int], int, int, IPv4Network]:
    ways = [(tally["network"], best[tally["host"]]) for tally in members if tally["host"] in best]
    arrived = sum(entry["address"] == way["arrived_at"] for way, entry in ways)
    by_default = sum(entry["interface"] == way["default_interface"] for way, entry in ways)
    return (_worst(best), -arrived, -by_default, network)


def _entry(tally: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    measured = tally["network"].get("speed_mbps")
    speeds = [speed for speed in (entry["speed_mbps"], measured) if speed]
    return {
        "address": entry["address"],
        "interface": entry["interface"],
        "speed_mbps": min(speeds, default=None),
        "round_trip_seconds": tally["network"].get("round_trip_seconds"),
    }


def _reason(network: IPv4Network, best: dict[str, dict[str, Any]], common: int, slower: int, members: int) -> str:
    who = "all of them" if len(best) == members else "those without an address of their own"
    if common == 1:
        why = f"the only network that {who} share"
    else:
        which = "fastest" if slower == common - 1 else "first"
        why = f"the {which} of the {counted(common, 'network')} that {who} share"
    return f"The hosts talk over {network} ({_words(best)}), {why}."


def _warnings(
    network: IPv4Network, shared: dict[IPv4Network, dict[str, dict[str, Any]]], members: Sequence[dict[str, Any]]
) -> list[str]:
    """Faster cables that most hosts are on, and that the others might be put on."""
    warnings = []
    for other, best in shared.items():
        most = len(best) > 1 and 2 * len(best) > len(members)
        if not most or _worst(best) >= _worst(shared[network]) or _kind(best) not in ("ethernet", "wireless"):
            continue
        why = ", ".join(
            f"{tally['host']} {'has another address set' if tally['network']['address'] else 'has no address there'}"
            for tally in members
            if tally["host"] not in best
        )
        warnings.append(f"The network {other} ({_words(best)}) is faster and not used, since {why}.")
    return warnings


def _apart(
    members: Sequence[dict[str, Any]],
    offers: dict[str, list[dict[str, Any]]],
    shared: dict[IPv4Network, dict[str, dict[str, Any]]],
    free: Sequence[str],
) -> DroverError:
    """Name the host that is alone, what it has, and what the others share."""
    remedy = "set rpc_server_address on it to the address that the others reach it by, or leave it out"
    candidates = [network for network, best in shared.items() if len(best) > 1]
    if not candidates:
        told = "; ".join(f"{host} has {_present(offers[host])}" for host in free[:3])
        return DroverError(
            f"No two of the hosts share a network ({told}): connect them to one, or set rpc_server_address on each to "
            "the address that the others reach it by."
        )
    network = min(candidates, key=lambda one: (-len(shared[one]), _rank(one, shared[one], members)))
    odd = next(host for host in free if host not in shared[network])
    return DroverError(
        f"{odd} shares no network with the other hosts: it has {_present(offers[odd])} and they share {network}; "
        f"{remedy}."
    )


def _present(entries: Iterable[dict[str, Any]]) -> str:
    return ", ".join(f"{entry['address']} ({entry['interface']})" for entry in entries) or "no address of its own"


def _words(best: dict[str, dict[str, Any]]) -> str:
    """``wired, 1 Gbit/s``: a network by its worst member, with a speed where all tell one."""
    kind = _kind(best)
    speeds = [entry["speed_mbps"] for entry in best.values()]
    known = min(speeds) if all(speeds) else None
    if known is None:
        return KIND_WORDS[kind]
    return f"{KIND_WORDS[kind]}, {known / 1000:g} Gbit/s" if known >= 1000 else f"{KIND_WORDS[kind]}, {known} Mbit/s"
