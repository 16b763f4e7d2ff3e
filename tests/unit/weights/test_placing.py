# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from module_utils.errors import DroverError
from module_utils.weights import fetching, placing
from module_utils.weights.noted import notes_on, tensor_states
from module_utils.weights.sources import read_sources
from unit.gguf.web_site import Page
from unit.weights.models import fnv, sha256
from unit.weights.pieces import SHARDS, SIZES, cached, content, tick, unfinished, weights_of

SHARD_BYTES, TENSORS = content()
ALL = {fnv(data): data for _shard, _offset, data in TENSORS}
WEIGHTS = weights_of(SHARD_BYTES, TENSORS, spare=2)
TOTAL = sum(SIZES)


def offered(site, **more):
    """The model on a server; where it is, as a source."""
    for number, shard in enumerate(SHARD_BYTES):
        site.pages[f"/m-{number}.gguf"] = Page(shard, **more)
    return {"files": [site.url(f"/m-{number}.gguf") for number in range(SHARDS)]}


def place(directory, *sources, weights=WEIGHTS, **more):
    return placing.place(weights, str(directory), read_sources(list(sources), SHARDS), **more)


@pytest.fixture
def roomy(monkeypatch):
    """A disk with as many free bytes as ``free`` says, less what has come."""
    monkeypatch.setattr(placing, "free_bytes", lambda _directory: 1 << 40)

    def room(free):
        monkeypatch.setattr(placing, "free_bytes", lambda _directory: free)

    return room


def test_all_of_it(tmp_path, site):
    told = []
    done = place(tmp_path / "a" / "rpc", offered(site), tell=lambda *numbers: told.append(numbers))
    assert cached(tmp_path / "a" / "rpc") == ALL
    assert done == {"present_bytes": 0, "fetched_bytes": TOTAL, "left_out_bytes": 0, "damaged": [], "pruned": []}
    assert told[-1] == (TOTAL, TOTAL)
    assert sum(request.sent for request in site.requests) == TOTAL
    assert (tmp_path / "a" / "rpc" / next(iter(ALL))).stat().st_mode & 0o777 == 0o644


def test_the_second_time_nothing_moves(tmp_path, site):
    place(tmp_path, offered(site))
    site.requests.clear()
    done = place(tmp_path, offered(site))
    assert (done["present_bytes"], done["fetched_bytes"], site.requests) == (TOTAL, 0, [])


def test_only_the_difference_moves(tmp_path, site):
    place(tmp_path, offered(site), weights=weights_of(SHARD_BYTES, TENSORS[:3]))
    site.requests.clear()
    place(tmp_path, offered(site))
    assert sum(request.sent for request in site.requests) == sum(SIZES[3:])
    assert cached(tmp_path) == ALL


def test_another_workers_cache(tmp_path, site):
    for name, data in ALL.items():
        site.pages[f"/tensors/{name}"] = Page(data, token="secret")
    place(tmp_path, {"cache": site.url("/tensors"), "token": "secret"})
    assert cached(tmp_path) == ALL


@pytest.mark.parametrize("range_limit", [1, 999, 65536])
def test_servers_that_give_little_at_once(tmp_path, site, range_limit):
    weights = weights_of(SHARD_BYTES, TENSORS[2:3] if range_limit == 1 else TENSORS)
    if range_limit == 1:
        weights["held"][0].update(bytes=50, hash="0" * 16, sha256=sha256(TENSORS[2][2][:50]))
    place(tmp_path, offered(site, range_limit=range_limit), weights=weights)
    assert sum(map(len, cached(tmp_path).values())) == (50 if range_limit == 1 else TOTAL)


FAULTS = [
    [500, 503, 502],
    [("drop", 100), ("drop", 0), 429],
    [(429, {"Retry-After": "0"}), 408, 504, 500],
    [("drop", 3000)] * 7,
]


@pytest.mark.parametrize("faults", FAULTS)
def test_what_breaks_is_gone_on_with(tmp_path, site, faults):
    source = offered(site)
    site.pages["/m-0.gguf"].faults = list(faults)
    place(tmp_path, source, parallel=1)
    assert cached(tmp_path) == ALL
    assert unfinished(tmp_path) == []
    # What had come was not asked for again.
    assert sum(request.sent for request in site.requests) == TOTAL


def test_goes_on_where_another_run_stopped(tmp_path, site):
    source = offered(site)
    site.pages["/m-0.gguf"].faults = [("drop", 40_000), *[500] * 5]
    with pytest.raises(DroverError, match="could not be fetched after 5 attempts: HTTP 500"):
        place(tmp_path, source, parallel=1)
    assert [(tmp_path / name).stat().st_size for name in unfinished(tmp_path)] == [40_000]
    assert cached(tmp_path) == {}
    place(tmp_path, source, parallel=1)
    assert cached(tmp_path) == ALL
    assert sum(request.sent for request in site.requests) == TOTAL


@pytest.mark.parametrize("left", [b"", b"wrong bytes", b"x" * 70_000, b"x" * 80_000])
def test_what_lies_there_under_an_unfinished_name(tmp_path, site, left):
    """It is taken up, and comes anew from the same source when it is found wrong."""
    (tmp_path / f"{fnv(TENSORS[0][2])}.part").write_bytes(left)
    told = []
    place(tmp_path, offered(site), parallel=1, tell=lambda *numbers: told.append(numbers))
    assert cached(tmp_path) == ALL
    assert unfinished(tmp_path) == []
    assert max(done for done, _total in told) <= TOTAL
    assert sum(request.sent for request in site.requests) == TOTAL + (70_000 - 11 if left == b"wrong bytes" else 0)


def test_a_source_that_is_wrong_itself_is_asked_for_all_of_it_once(tmp_path, site):
    """What was there is no excuse any more."""
    part = tmp_path / f"{fnv(TENSORS[0][2])}.part"
    part.write_bytes(TENSORS[0][2][:9])
    source = offered(site)
    site.pages["/m-0.gguf"] = Page(SHARD_BYTES[0][::-1])
    with pytest.raises(DroverError, match="other bytes than the model from byte 6 on, and nothing was kept of them"):
        place(tmp_path, source, parallel=1)
    assert not part.exists()
    assert site.ranges == ["bytes=15-70005", "bytes=6-70005"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda site: site.pages.pop("/m-1.gguf"), "does not exist"),
        (
            lambda site: site.pages.update({"/m-1.gguf": Page(SHARD_BYTES[1], ranges=False)}),
            "give a server that gives ranges",
        ),
        (lambda site: site.pages.update({"/m-1.gguf": Page(SHARD_BYTES[1], shift=1)}), "expected one that begins at"),
        (lambda site: site.pages.update({"/m-1.gguf": Page(SHARD_BYTES[1], token="t")}), "refused access"),
        (lambda site: site.pages.update({"/m-1.gguf": Page(SHARD_BYTES[1][:99])}), "bytes"),
        (lambda site: site.pages.update({"/m-1.gguf": Page(SHARD_BYTES[1][::-1])}), "other bytes than the model"),
        (
            lambda site: site.pages.update({"/m-1.gguf": Page(SHARD_BYTES[1], faults=[("drop", 0)] * 99)}),
            "after 5 attempts",
        ),
    ],
)
def test_a_source_that_is_of_no_use(tmp_path, site, spoil, words):
    source = offered(site)
    spoil(site)
    with pytest.raises(DroverError, match=words):
        place(tmp_path, source)
    assert all(ALL[name] == data for name, data in cached(tmp_path).items())
    # Another one, which has it all, takes over.
    site.pages["/mirror/m-0.gguf"], site.pages["/mirror/m-1.gguf"] = map(Page, SHARD_BYTES)
    mirror = {"files": [site.url(f"/mirror/m-{number}.gguf") for number in range(SHARDS)]}
    place(tmp_path, source, mirror)
    assert cached(tmp_path) == ALL


def test_a_source_that_failed_is_not_asked_again(tmp_path, site):
    mirror = offered(site)
    place(tmp_path, {"cache": site.url("/nothing/")}, mirror, parallel=1)
    assert [request.path for request in site.requests if "nothing" in request.path] == [
        f"/nothing/{fnv(TENSORS[0][2])}"
    ]
    assert cached(tmp_path) == ALL


@pytest.mark.parametrize("damage", [b"", b"short", None])
@pytest.mark.parametrize("verify", [False, True])
def test_damaged_files(tmp_path, site, damage, verify):
    place(tmp_path, offered(site))
    tick(tmp_path)
    name = fnv(TENSORS[3][2])
    (tmp_path / name).write_bytes(TENSORS[3][2][:-1] + b"?" if damage is None else damage)
    done = place(tmp_path, offered(site), verify=verify)
    assert (done["damaged"], done["fetched_bytes"]) == ([name], SIZES[3])
    assert cached(tmp_path) == ALL


@pytest.mark.parametrize("verify", [False, True])
def test_a_damaged_file_that_was_never_noted(tmp_path, site, verify):
    """An RPC server wrote it, and it has the right size."""
    name = fnv(TENSORS[3][2])
    (tmp_path / name).write_bytes(TENSORS[3][2][:-1] + b"?")
    done = place(tmp_path, offered(site), verify=verify)
    assert (name in done["damaged"], cached(tmp_path) == ALL) == (verify, verify)


def test_what_was_placed_is_noted_and_stays_so_when_it_is_planned_again(tmp_path, site, monkeypatch):
    place(tmp_path, offered(site))
    assert set(notes_on(str(tmp_path)).settled) == set(ALL)
    monkeypatch.setattr(placing, "sum_of", lambda path: pytest.fail(f"{path} was read"))
    for _time in range(2):
        place(tmp_path, offered(site))
        now = tensor_states(str(tmp_path))
        assert notes_on(str(tmp_path)).settled == now


def test_what_came_before_a_failure_is_noted(tmp_path, site):
    source = offered(site)
    site.pages.pop("/m-1.gguf")
    with pytest.raises(DroverError, match="does not exist"):
        place(tmp_path, source, parallel=1)
    assert set(notes_on(str(tmp_path)).settled) == set(cached(tmp_path)) != set()


# --- Room -------------------------------------------------------------------------------------------------------------


def old(directory, name, size, used):
    (directory / name).write_bytes(bytes(size))
    os.utime(directory / name, (used, used))


@pytest.mark.parametrize(
    ("most", "pruned", "left_out"),
    [
        (None, [], []),
        (TOTAL + 250, [], []),
        (TOTAL + 249, ["b" * 16], []),
        (TOTAL + 100, ["b" * 16, "a" * 16], []),
        (TOTAL, ["b" * 16, "a" * 16, "c" * 16], []),
        # Then spare copies are left out before what the worker holds; what still fits comes.
        (TOTAL - 1, ["b" * 16, "a" * 16, "c" * 16], [5]),
        (TOTAL - SIZES[5] - 1, ["b" * 16, "a" * 16, "c" * 16], [4]),
        (SIZES[0] + 6000, ["b" * 16, "a" * 16, "c" * 16], [3, 4, 5]),
        (0, ["b" * 16, "a" * 16, "c" * 16], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_quota(tmp_path, site, roomy, most, pruned, left_out):
    for name, size, used in (("a", 100, 2), ("b", 50, 1), ("c", 100, 3)):
        old(tmp_path, name * 16, size, used)
    done = place(tmp_path, offered(site), most_bytes=most)
    assert done["pruned"] == pruned
    assert done["left_out_bytes"] == sum(SIZES[index] for index in left_out)
    expected = {fnv(TENSORS[index][2]) for index in range(6) if index not in left_out}
    assert set(cached(tmp_path)) == expected | ({"a" * 16, "b" * 16, "c" * 16} - set(pruned))
    if most is not None:
        assert sum(map(len, cached(tmp_path).values())) <= most


@pytest.mark.parametrize(("free", "left_out"), [(TOTAL * 20 // 19 + 1, []), (TOTAL, [5]), (0, [0, 1, 2, 3, 4, 5])])
def test_a_twentieth_of_the_disk_stays_free(tmp_path, site, roomy, free, left_out):
    roomy(free)
    done = place(tmp_path, offered(site))
    assert done["left_out_bytes"] == sum(SIZES[index] for index in left_out)


def test_what_another_cluster_wants_stays(tmp_path, site, roomy, clusters):
    others = weights_of(SHARD_BYTES, [(0, 0, b"theirs")], cluster="other")
    (clusters / "other").mkdir()
    (clusters / "other" / "weights.json").write_text(json.dumps(others))
    (clusters / "broken").mkdir()
    (clusters / "broken" / "weights.json").write_text(json.dumps(others)[:50])
    (tmp_path / fnv(b"theirs")).write_bytes(b"theirs")
    (tmp_path / f"{fnv(b'theirs')}.part").write_bytes(b"the")
    (tmp_path / f"{'0' * 16}.part").write_bytes(b"of nobody")
    old(tmp_path, "e" * 16, 6, 1)
    done = place(tmp_path, offered(site), most_bytes=TOTAL)
    assert done["pruned"] == ["e" * 16]
    assert done["left_out_bytes"] == SIZES[5]
    assert fnv(b"theirs") in cached(tmp_path) and unfinished(tmp_path) == [f"{fnv(b'theirs')}.part"]


def test_planned_again_is_used_again(tmp_path, site):
    place(tmp_path, offered(site))
    for name in ALL:
        os.utime(tmp_path / name, (5, 5))
    place(tmp_path, offered(site), weights=weights_of(SHARD_BYTES, TENSORS[:2]))
    touched = {name for name in ALL if (tmp_path / name).stat().st_mtime > 5}
    assert touched == {fnv(data) for _shard, _offset, data in TENSORS[:2]}


def test_a_full_disk(tmp_path, site, monkeypatch):
    """The disk took less than it had promised."""
    real = fetching.settle

    def full(directory):
        if len(cached(tmp_path)) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(directory)

    monkeypatch.setattr(fetching, "settle", full)
    with pytest.raises(DroverError, match=r"cannot be written to \(No space left on device\).*free some space there"):
        place(tmp_path, offered(site))
    assert unfinished(tmp_path) == []
    assert all(ALL[name] == data for name, data in cached(tmp_path).items())


def test_without_a_source(tmp_path, site):
    with pytest.raises(DroverError, match=r"Tensors of 183 KiB are missing and there is no source"):
        placing.place(WEIGHTS, str(tmp_path), [])
    place(tmp_path, offered(site))
    assert placing.place(WEIGHTS, str(tmp_path), [])["present_bytes"] == TOTAL


def test_a_folder_of_somebody_else(tmp_path, site):
    (tmp_path / "file").write_text("")
    with pytest.raises(DroverError, match="as the user whom the tensor cache belongs to"):
        place(tmp_path / "file" / "rpc", offered(site))


def test_one_at_a_time(tmp_path, site):
    """Two clusters place at once: what is common to both comes once."""
    source, errors = offered(site), []

    def run():
        try:
            place(tmp_path, source)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert cached(tmp_path) == ALL
    assert sum(request.sent for request in site.requests) == TOTAL


# --- Killed -----------------------------------------------------------------------------------------------------------

KILLS = 24
# Forks a process for each line that it is given, which places; tells its number, and how it ended.
PLACE = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from module_utils.weights.placing import place
from module_utils.weights.sources import read_sources
weights, sources = json.loads(sys.stdin.readline())
for _line in sys.stdin:
    child = os.fork()
    if child == 0:
        place(weights, sys.argv[2], read_sources(sources, len(weights["files"])), parallel=3)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def test_killed_at_random_points(tmp_path, site):
    dice = random.Random(13)
    shards, tensors = content([1 << 20] * 8 + [3 << 20] * 4, seed=3)
    weights = weights_of(shards, tensors, name=lambda data: sha256(data)[:16])  # its true name would take long to find
    whole = {tensor["hash"]: tensor["sha256"] for tensor in weights["held"]}
    for number, shard in enumerate(shards):
        site.pages[f"/m-{number}.gguf"] = Page(shard)
    given = json.dumps([weights, [{"files": [site.url(f"/m-{number}.gguf") for number in range(SHARDS)]}]])
    command = [sys.executable, "-u", "-c", PLACE, str(Path(placing.__file__).parents[2]), str(tmp_path)]
    kills, longest = 0, 0.1
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as launcher:
        launcher.stdin.write(f"{given}\n")
        while True:
            before = size_of(tmp_path)
            launcher.stdin.write("again\n")
            child = int(launcher.stdout.readline())
            ended = select.select([launcher.stdout], [], [], None if kills == KILLS else dice.uniform(0, longest))[0]
            if not ended:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(child, signal.SIGKILL)
            status = int(launcher.stdout.readline())
            found = {name: sha256(data) for name, data in cached(tmp_path).items()}
            assert found.items() <= whole.items()
            if status == signal.SIGKILL and size_of(tmp_path) > before:
                kills += 1  # in the middle of something
            elif status == signal.SIGKILL:
                longest *= 1.3
            else:
                assert status == 0
                assert found == whole and unfinished(tmp_path) == []
                if kills == KILLS:
                    break
                longest *= 0.7
                for name in os.listdir(tmp_path):
                    os.unlink(tmp_path / name)
        launcher.stdin.close()


def size_of(directory):
    return sum(path.stat().st_size for path in directory.iterdir())
