# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in the workers' caches, what a start sends, and what is mended; one test goes on from another."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest
from cluster import LEADER, WORKERS, address, host
from faults import HEAL_SECONDS, is_healthy, wait_until
from model_server import serve
from playbook import play, succeeded

CACHE = "/var/cache/drover/rpc"
MODEL = "/var/lib/drover/models/random.gguf"
PORT = 50061
SECRET = "0123456789abcdef" * 4
SPLIT = {LEADER: 1, "pi-1": 2, "pi-2": 2}
OTHER_SPLIT = {LEADER: 1, "pi-1": 1, "pi-2": 3}
MIB = 1 << 20
KILLS = 20
# On the interface there are heads of packets, acknowledgements and SSH, too.
SLACK = 1.05


def site(split=SPLIT, more=(), **settings):
    model = f"{os.environ['MOLECULE_EPHEMERAL_DIRECTORY']}/random.gguf"
    offer = {"tensor_cache_port": PORT, "tensor_cache_offer_seconds": 600}
    given = {"gguf_model_path": model, "placement_split": split, **offer, **settings}
    return succeeded(play("site", *more, settings=given))


def wanted(name):
    """Hash -> the tensor that a worker's cache is to have."""
    weights = json.loads(host(name).file("/etc/drover/main/weights.json").content_string)
    return {tensor["hash"]: tensor for tensor in (*weights["held"], *weights["spare"])}


def cached(name):
    """Name -> bytes of the files in a worker's cache."""
    lines = host(name).check_output(f"find {CACHE} -type f -name '????????????????' -printf '%f %s\\n'").split("\n")
    return {file: int(size) for file, size in (line.split() for line in lines if line)}


def sums(name):
    lines = host(name).check_output(f"cd {CACHE} && sha256sum ????????????????").split("\n")
    return {file: digest for digest, file in (line.split() for line in lines)}


def is_whole(name):
    """Whether a worker's cache has what it is to have, to the bit, and nothing else."""
    return sums(name) == {each: tensor["sha256"] for each, tensor in wanted(name).items()}


def sent():
    """Bytes that have left the leader."""
    return int(host(LEADER).check_output("cat /sys/class/net/host0/statistics/tx_bytes"))


def complete():
    return json.loads(host(LEADER).check_output("drover complete --cluster main"))


def cold_start():
    """Bytes that the leader sends until it answers."""
    leader = host(LEADER)
    leader.check_output("systemctl stop drover-server@main")
    before = sent()
    leader.check_output("systemctl start drover-server@main")
    complete()
    return sent() - before


def predicted():
    return json.loads(host(LEADER).file("/etc/drover/main/plan.json").content_string)["predicted"]


def loaded(run):
    """MiB that the playbook says the start has sent."""
    return float(re.search(r"Loading sent ([\d.]+) MiB to the workers", run.said)[1])


def looked(name):
    """What the RPC server's unit has ever said of the cache."""
    journal = host(name).check_output("journalctl --unit drover-rpc@main.service --no-pager --output cat")
    return [line for line in journal.split("\n") if "the tensor cache" in line]


def server():
    return host(LEADER).check_output("systemctl show --property=MainPID --value drover-server@main")


def restart(name):
    """What it says of the cache when the worker's RPC server alone is restarted. The watch has llama-server start anew
    then, which is waited for."""
    before, served = len(looked(name)), server()
    host(name).check_output("systemctl restart drover-rpc@main")
    wait_until(lambda: server() not in ("0", served), HEAL_SECONDS, "llama-server is another one")
    wait_until(is_healthy, HEAL_SECONDS, "it has loaded the model")
    return looked(name)[before:]


def is_open():
    return str(PORT) in host(LEADER).check_output("ufw show added")


@pytest.mark.parametrize("name", WORKERS)
def test_all_was_placed_as_the_service_user(name):
    assert len(wanted(name)) >= 5
    assert is_whole(name)
    assert set(host(name).check_output(f"stat --format=%U {CACHE} {CACHE}/????????????????").split()) == {"drover"}


def test_numpy_was_put_on_the_leader_alone():
    """What tensor_cache_packages says, noted to be taken off again."""
    assert host(LEADER).package("python3-numpy").is_installed
    assert "python3-numpy" in host(LEADER).check_output(
        "cat /var/lib/drover/packages* /var/lib/drover/*/packages* || true"
    )
    assert not any(host(name).package("python3-numpy").is_installed for name in WORKERS)


def test_the_port_is_closed_again():
    assert not host(LEADER).socket(f"tcp://{address(LEADER)}:{PORT}").is_listening
    assert not is_open()
    assert not host(LEADER).file(f"/var/lib/drover/firewall/offer:{PORT}.json").exists


def test_a_cold_start_sends_what_no_cache_saves():
    placed, names = cold_start(), {name: cached(name) for name in WORKERS}
    for name in WORKERS:
        host(name).check_output(f"rm {CACHE}/????????????????")
    stock = cold_start()
    assert placed < 0.18 * stock
    assert predicted()["load_bytes_once_cached"] <= placed < predicted()["load_bytes_once_cached"] * SLACK + MIB
    assert predicted()["load_bytes_over_network"] <= stock < predicted()["load_bytes_over_network"] * SLACK + MIB
    # What the servers have written now by themselves is what was written for them.
    assert {name: cached(name) for name in WORKERS} == names
    assert all(is_whole(name) for name in WORKERS)


def test_another_plan_moves_the_difference():
    there, before = cached("pi-2"), sent()
    run = site(OTHER_SPLIT)
    came = sum(size for name, size in cached("pi-2").items() if name not in there)
    least = predicted()["load_bytes_once_cached"]
    assert came > 50 * MIB
    assert set(there) < set(cached("pi-2")) == set(wanted("pi-2"))
    # What Ansible itself sends comes to a few MiB.
    assert came + least < sent() - before < (came + least) * SLACK + 8 * MIB
    assert least <= loaded(run) * MIB < least * SLACK + MIB


def test_what_is_damaged_is_fetched_anew():
    flipped, cut = max(wanted("pi-1")), max(wanted("pi-2"))
    host("pi-1").check_output(f"printf x | dd of={CACHE}/{flipped} bs=1 seek=4096 conv=notrunc status=none")
    host("pi-2").check_output(f"truncate --size=-1 {CACHE}/{cut}")
    served = host(LEADER).check_output("systemctl show --property=MainPID drover-server@main")
    run = site(OTHER_SPLIT, tensor_cache_verify=True)
    assert run.said.count("1 damaged file went, for the right bytes to be fetched anew") == 2
    assert {flipped: sums("pi-1")[flipped]} == {flipped: wanted("pi-1")[flipped]["sha256"]}
    assert is_whole("pi-2")
    # Nobody was disturbed.
    assert host(LEADER).check_output("systemctl show --property=MainPID drover-server@main") == served


def test_a_restart_of_a_worker_reads_nothing():
    """What was placed, and what servers have written, was noted: its end finds it so, and its start, too."""
    there = len(cached("pi-1"))
    as_noted = f"Of the tensor cache {there} are as noted, 0 are new, and 0 were read."
    assert restart("pi-1") == [as_noted, as_noted]


def noted(name):
    """Hash -> size and times of the files that are noted to be whole and on the disk."""
    return json.loads(host(name).file(f"{CACHE}/.whole.json").content_string)["settled"]


def test_what_a_start_has_sent_is_noted_without_a_playbook():
    gone = min(wanted("pi-1"))
    before = noted("pi-1")[gone]
    host("pi-1").check_output(f"rm {CACHE}/{gone}")
    cold_start()
    assert gone in cached("pi-1")
    took = wait_until(lambda: noted("pi-1").get(gone) not in (None, before), 90, "noted by the agent")
    print(f"\nnoted after {took:.1f} s")


def test_what_is_damaged_is_found_by_a_restart_of_the_worker_alone():
    right = complete()["text"]
    flipped = max(wanted("pi-1"), key=lambda name: wanted("pi-1")[name]["bytes"])
    # A lot of it, which an answer would show.
    host("pi-1").check_output(f"dd if=/dev/urandom of={CACHE}/{flipped} bs=1M count=8 conv=notrunc status=none")
    others = len(cached("pi-1")) - 1
    told = restart("pi-1")
    assert f"Of the tensor cache {others} are as noted, 0 are new, and 1 were read." in told
    assert any("1 file had other bytes than planned or named: deleted" in line for line in told)
    assert complete()["text"] == right
    # The leader has sent it, and the server has kept it.
    assert sums("pi-1")[flipped] == wanted("pi-1")[flipped]["sha256"]


def test_a_bound_holds_and_a_full_disk_stops_nobody(inventory):
    bound = sum(tensor["bytes"] for tensor in wanted("pi-2").values()) - 60 * MIB
    host("pi-1").check_output("mount -t tmpfs -o size=8m,mode=0755 tmpfs /var/cache/drover")
    host("pi-2").check_output(f"rm {CACHE}/????????????????")
    more = inventory({"all": {"hosts": {"pi-2": {"rpc_server_cache_max_bytes": bound}}}})
    run = site(OTHER_SPLIT, more=(more,), rpc_server_cache_days=31)
    assert run.said.count("found no room on its disk or within rpc_server_cache_max_bytes") == 2
    assert bound / 2 < sum(cached("pi-2").values()) <= bound
    assert complete()["text"]
    # Both have the small disk in their own view of the file system; the next run starts them again.
    host("pi-1").check_output("systemctl stop drover-rpc@main drover-agent@main && umount /var/cache/drover")


def test_placing_that_is_killed_is_gone_on_with():
    sources = json.dumps([{"files": [f"http://{address(LEADER)}:{PORT}/random.gguf"], "token": SECRET}])
    members = " ".join(address(name) for name in (LEADER, *WORKERS))
    offer = f"drover offer --user drover --model {MODEL} --address {address(LEADER)} --port {PORT} --allow {members}"
    # Until it is open: the fifo's other end is its output.
    host(LEADER).check_output(
        f"mkfifo /root/offer && (echo {SECRET} | setsid {offer} >/root/offer 2>&1 &) && head -n1 /root/offer"
    )
    assert is_open()
    # The other one still has its bound.
    worker = host("pi-1")
    worker.check_output(f"rm -f {CACHE}/*")
    place = "setpriv --reuid=drover --regid=drover --init-groups drover place --cluster main"
    dice = random.Random(1)
    codes = {
        worker.run(f"echo '{sources}' | timeout --signal=KILL {dice.uniform(0.05, 1.0):.3f} {place}").rc
        for _kill in range(KILLS)
    }
    assert 137 in codes
    assert set(cached("pi-1")) <= set(wanted("pi-1"))
    worker.check_output(f"echo '{sources}' | {place}")
    assert is_whole("pi-1")
    host(LEADER).check_output(
        f"curl -sS -X DELETE -H 'Authorization: Bearer {SECRET}' http://{address(LEADER)}:{PORT}/ && cat /root/offer"
    )
    assert not is_open()


def test_copies_come_from_a_server_that_is_nearer_and_then_nothing_changes():
    model = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "random.gguf")
    token = "a-token-that-nobody-is-told"
    host("pi-1").check_output(f"rm -f {CACHE}/*")
    before = sent()
    with serve(model.read_bytes(), token=token) as url:
        nearer = {"tensor_cache_urls": [url], "tensor_cache_url_token": token}
        mended = site(tensor_cache_spread=2, tensor_cache_parallel=2, **nearer)
    assert token not in mended.said
    assert all(is_whole(name) for name in WORKERS)
    assert set(wanted("pi-1")) == set(wanted("pi-2"))
    # The leader has sent the start, and what Ansible sends.
    assert sent() - before < predicted()["load_bytes_once_cached"] * SLACK + 8 * MIB
    run = site(tensor_cache_spread=2)
    assert set(run.changed.values()) == {0}
    assert "tensor_cache" not in run.said
