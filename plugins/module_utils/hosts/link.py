# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a message takes to another host and back, and how much the way there carries.

Both are asked of the other machine's kernel by ICMP echo, as ping does: nothing has to run or listen there. A large
message takes longer than a small one by the time that its bytes spend on the wire, there and back.
"""

from __future__ import annotations

import os
import select
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import DroverError
from .addresses import choose_addresses, takes_part
from .figures import keep, recall

# Gone with the next boot, like the memory bandwidth.
CACHE_FILE = "/run/drover/links.json"
ECHO_REQUEST, ECHO_REPLY = 8, 0  # RFC 792
SMALL_BYTES, LARGE_BYTES = 16, 60_000  # payloads; the second is near the most that an IPv4 packet takes
COUNT = 16
# So many others are enough to know one's own cable, in a fleet of any size.
MOST_PEERS = 4
WAIT_SECONDS = 2.0
# No more time than this for one size, on a link that is very slow or loses a lot.
LONGEST_SECONDS = 4.0
# A card's speed is told with Ethernet's and IP's headers: 1538 bytes on the wire carry 1480 of a fragment.
WIRE_BYTES = 1538 / 1480


def own_link(
    host: str,
    tallies: list[dict[str, Any]],
    leader: str | None = None,
    cache_file: str = CACHE_FILE,
    may_write: bool = True,
) -> dict[str, Any]:
    """The tally of ``host``, which this machine is, among ``tallies`` (of all hosts), with ``speed_mbps`` and
    ``round_trip_seconds`` in its ``network``: measured over the addresses that the cluster would use, to ``leader`` (a
    host's name) and some others.

    Both are None where there is nothing to measure: the host takes no part, it is the only one, or the hosts share no
    network, which the plan refuses with the reason. Raises DroverError when ``tallies`` have no ``host``.
    """
    own = next((tally for tally in tallies if tally["host"] == host), None)
    if own is None:
        names = ", ".join(str(tally["host"]) for tally in tallies) or "none"
        raise DroverError(f"There is no tally of {host} among those given ({names}): give those of all hosts.")
    figures = {"speed_mbps": None, "round_trip_seconds": None}
    try:
        chosen = choose_addresses(tallies).chosen if takes_part(own) else {}
    except DroverError:
        chosen = {}
    peers = sorted((name for name in chosen if name != host), key=lambda name: (name != leader, name))[:MOST_PEERS]
    if peers:
        way = links(chosen[host]["address"], [chosen[name]["address"] for name in peers], cache_file, may_write)
        figures = {name: way[name] for name in figures}
    return {**own, "network": {**own["network"], **figures}}


def links(address: str, peers: list[str], cache_file: str = CACHE_FILE, may_write: bool = True) -> dict[str, Any]:
    """Measure the way from this machine's ``address`` to each of ``peers`` (IPv4 addresses), or recall it.

    Returns ``round_trip_seconds`` and ``speed_mbps``, each the best over the peers, since a slow peer is no fault of
    this machine, and ``peers``, a list with both for every ``address``. None where nobody answers. The same addresses
    are measured once a boot; the figures are kept only when ``may_write``.
    """
    identity = [address, *peers]
    found = recall(cache_file, identity)
    if not isinstance(found, dict):
        measured = [{"address": peer, **measure_link(peer)} for peer in peers]
        found = {
            "round_trip_seconds": _best(min, measured, "round_trip_seconds"),
            "speed_mbps": _best(max, measured, "speed_mbps"),
            "peers": measured,
        }
        if may_write and found["round_trip_seconds"] is not None:
            keep(cache_file, identity, found)
    return found


def _best(which: Callable[..., Any], measured: Iterable[dict[str, Any]], name: str) -> Any:
    return which((one[name] for one in measured if one[name] is not None), default=None)


def measure_link(peer: str) -> dict[str, Any]:
    """``round_trip_seconds`` and ``speed_mbps`` of the way to ``peer``; None for what it does not answer."""
    small = echo_seconds(peer, SMALL_BYTES)
    if not small:
        return {"round_trip_seconds": None, "speed_mbps": None}
    large = echo_seconds(peer, LARGE_BYTES)
    # Medians, since other traffic holds some up; of the second half, since a limit lets the first ones pass at a burst.
    round_trip = statistics.median(small)
    longer = statistics.median(large[len(large) // 2 :]) - round_trip if large else 0
    speed = 2 * (LARGE_BYTES - SMALL_BYTES) * WIRE_BYTES * 8 / longer / 1e6 if longer > 0 else None
    return {"round_trip_seconds": round_trip, "speed_mbps": max(1, round(speed)) if speed else None}


def echo_seconds(peer: str, size: int) -> list[float]:
    """Seconds of up to COUNT echoes of ``size`` bytes, one after the other; fewer, or none, where answers are missing.

    Gives up at the second one that is lost.
    """
    seconds: list[float] = []
    lost = 0
    payload = os.urandom(size)
    try:
        with _open() as line:
            line.connect((peer, 0))
            deadline = time.monotonic() + LONGEST_SECONDS
            while len(seconds) < COUNT and lost < 2 and time.monotonic() < deadline:
                taken = _echo(line, len(seconds) + lost, payload)
                if taken is None:
                    lost += 1
                else:
                    seconds.append(taken)
    except OSError:
        # No way there, or not allowed to ask.
        return []
    return seconds


def _open() -> socket.socket:
    """A socket for ICMP: a raw one as root, else one that the kernel sends echoes for, where it lets users."""
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)


def _echo(line: socket.socket, number: int, payload: bytes) -> float | None:
    """Seconds until the answer to one echo came, or None."""
    header = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, number)
    packet = header[:2] + struct.pack("!H", checksum(header + payload)) + header[4:] + payload
    began = time.perf_counter()
    line.send(packet)
    while True:
        left = began + WAIT_SECONDS - time.perf_counter()
        if left <= 0 or not select.select([line], [], [], left)[0]:
            return None
        answer = line.recv(65_535)
        taken = time.perf_counter() - began
        if answer[:1] and answer[0] >> 4 == 4:
            # A raw socket shows the IP header, too.
            answer = answer[(answer[0] & 15) * 4 :]
        # Other programs' echoes arrive at a raw socket as well; the payload is ours alone.
        if answer[:1] == bytes([ECHO_REPLY]) and answer[6:8] == header[6:8] and answer[8:] == payload:
            return taken


def checksum(message: bytes) -> int:
    """The Internet checksum of a message, its own field being 0 (RFC 1071)."""
    words = struct.unpack(f"!{len(message) // 2}H", message[: len(message) // 2 * 2])
    total = sum(words) + (message[-1] << 8 if len(message) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
