# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files over HTTP, from a server on the loopback interface: whole and checked, or not there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import select
import signal
import subprocess
import sys

import pytest
from module_utils.errors import DroverError
from module_utils.gguf import download as module
from module_utils.gguf.download import download
from module_utils.gguf.store import arrived_bytes, holds, write_note
from unit.gguf.web_site import Page, serve

CONTENT = random.Random(1).randbytes(3 * 1024 * 1024 + 17)
SUM = hashlib.sha256(CONTENT).hexdigest()
OTHER = bytes(len(CONTENT))
TOKEN = "hf_thisIsASecret"
TAGGED = {"ETag": '"one"'}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(module, "DELAYS", (0.0,) * 3)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models" / "m.gguf"


def files(target):
    return sorted(path.name for path in target.parent.iterdir())


def broken_off(site, target, drop, sha256="", **page):
    """Leave what a fetch leaves that was killed after ``drop`` bytes, and forget the requests that it made."""
    site.pages["/m"] = Page(CONTENT, faults=[("drop", drop), *[("drop", 0)] * 9], **page)
    with pytest.raises(DroverError):
        download(site.url("/m"), str(target), sha256=sha256)
    assert not target.exists()
    site.pages["/m"].faults.clear()
    site.requests.clear()


def assert_whole(target, content=CONTENT):
    assert target.read_bytes() == content
    assert files(target) == ["m.gguf", "m.gguf.source"]
    assert target.stat().st_mode & 0o777 == 0o644
    assert holds(str(target), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("sha256", [SUM, ""], ids=["checked", "unchecked"])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "stream"])
@pytest.mark.parametrize("length", [True, False], ids=["with its length", "without"])
def test_a_file_arrives_whole_with_its_note(site, target, sha256, ranges, length):
    site.pages["/m"] = Page(CONTENT, ranges=ranges, length=length)
    told = []
    assert download(site.url("/m"), str(target), sha256=sha256, tell=lambda *given: told.append(given)) == SUM
    assert_whole(target)
    assert told[-1] == (len(CONTENT), len(CONTENT) if ranges or length else None)
    assert [done for done, _size in told] == sorted({done for done, _size in told})
    assert len(site.requests) == 1


def test_a_connection_that_breaks_goes_on_where_it_broke(site, target):
    site.pages["/m"] = Page(CONTENT, extra_headers=TAGGED, faults=[("drop", 100_000), 503, ("drop", 7)])
    assert download(site.url("/m"), str(target)) == SUM
    assert_whole(target)
    assert site.ranges == ["bytes=0-", "bytes=100000-", "bytes=100000-", "bytes=100007-"]


def test_a_server_that_tells_no_version_is_read_from_the_start_again(site, target):
    """What it gives may be another file meanwhile, and no checksum would tell."""
    site.pages["/m"] = Page(CONTENT, faults=[("drop", 100_000)])
    assert download(site.url("/m"), str(target)) == SUM
    assert_whole(target)
    assert site.ranges == ["bytes=0-", "bytes=0-"]


def test_a_server_that_gives_less_than_asked_is_asked_on(site, target, monkeypatch):
    monkeypatch.setattr(module, "DELAYS", ())
    site.pages["/m"] = Page(CONTENT, range_limit=1_000_000)
    assert download(site.url("/m"), str(target), sha256=SUM) == SUM
    assert_whole(target)
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    ("sha256", "headers"),
    [(SUM, {}), ("", TAGGED), ("", {"Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"})],
    ids=["sha256", "ETag", "Last-Modified"],
)
def test_a_later_run_goes_on(site, target, sha256, headers):
    broken_off(site, target, 500_000, sha256, extra_headers=headers)
    held = arrived_bytes(str(target))
    assert held >= 500_000
    assert download(site.url("/m"), str(target), sha256=sha256) == SUM
    assert_whole(target)
    assert site.ranges == ["bytes=0-", f"bytes={held}-"]
    assert sum(request.sent for request in site.requests[1:]) == len(CONTENT) - held


def test_what_has_arrived_of_another_file_is_of_no_use(site, target):
    broken_off(site, target, 500_000, extra_headers=TAGGED)
    site.pages["/m"] = Page(OTHER, extra_headers={"ETag": '"two"'})
    download(site.url("/m"), str(target))
    assert_whole(target, OTHER)


def test_a_weak_tag_tells_no_version(site, target):
    broken_off(site, target, 500_000, extra_headers={"ETag": 'W/"one"'})
    download(site.url("/m"), str(target))
    assert_whole(target)
    assert site.ranges == ["bytes=0-"]


def test_a_file_that_changes_under_way_is_not_joined(site, target):
    page = Page(CONTENT, extra_headers=dict(TAGGED), faults=[("drop", 100_000)])
    site.pages["/m"] = page

    def change(done, size):
        page.content, page.extra_headers["ETag"] = OTHER, '"two"'

    with pytest.raises(DroverError, match="changed while it was fetched"):
        download(site.url("/m"), str(target), tell=change)
    assert files(target) == []


def test_a_fetch_that_was_killed_before_the_last_step_only_takes_that(site, target):
    broken_off(site, target, len(CONTENT) - 1, SUM)
    (part,) = target.parent.iterdir()
    part.write_bytes(CONTENT)
    download(site.url("/m"), str(target), sha256=SUM)
    assert_whole(target)
    assert site.ranges == ["bytes=0-"]


KILLED_MIB = 24


def test_killed_at_random_points(site, target):
    """A fetch ends where it is ended, and the next one goes on: 20 times, and what comes in the end is the file."""
    dice = random.Random(20)
    content = dice.randbytes(KILLED_MIB * 1024 * 1024)
    total = hashlib.sha256(content).hexdigest()
    site.pages["/m"] = Page(content)
    kills, longest = 0, 0.1
    while kills < 20:
        before = arrived_bytes(str(target))
        ended, says = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                download(site.url("/m"), str(target), sha256=total)
                status = 0
            finally:
                os._exit(status)
        os.close(says)
        select.select([ended], [], [], dice.uniform(0, longest))
        os.close(ended)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if status == signal.SIGKILL and arrived_bytes(str(target)) > before:
            kills += 1  # in the middle of something
        longest *= 1.3 if status == signal.SIGKILL and arrived_bytes(str(target)) == before else 1
        if target.exists():
            assert hashlib.sha256(target.read_bytes()).hexdigest() == total
            assert status in (0, signal.SIGKILL)
            longest *= 0.7
            for path in target.parent.iterdir():
                path.unlink()
    download(site.url("/m"), str(target), sha256=total)
    assert_whole(target, content)


@pytest.mark.parametrize("broken", [False, True], ids=["at once", "in two parts"])
def test_another_sha256_leaves_nothing(site, target, broken):
    if broken:
        broken_off(site, target, 500_000, SUM)
    site.pages["/m"] = Page(OTHER)
    with pytest.raises(DroverError) as failure:
        download(site.url("/m"), str(target), sha256=SUM)
    assert f"where {SUM} was expected, and nothing was kept of it: correct the sha256" in str(failure.value)
    assert files(target) == []


def test_the_file_that_was_there_stays_until_the_new_one_is_whole(site, target):
    target.parent.mkdir()
    target.write_text("old")
    site.pages["/m"] = Page(CONTENT, faults=[("drop", 5)] * 9)
    with pytest.raises(DroverError, match="could not be fetched after 4 attempts: the connection ended at byte"):
        download(site.url("/m"), str(target))
    assert target.read_text() == "old"
    download(site.url("/m"), str(target), sha256=SUM)
    assert_whole(target)


def test_failures_count_only_in_a_row(site, target):
    site.pages["/m"] = Page(CONTENT, faults=[("drop", 10)] * 20)
    assert download(site.url("/m"), str(target), sha256=SUM) == SUM


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (404, "does not exist (HTTP 404): check the address"),
        (401, "refused access (HTTP 401): give a token"),
        (403, "refused access (HTTP 403): give a token"),
        (500, "could not be fetched after 4 attempts: HTTP 500"),
        ((429, {"Retry-After": "3600"}), "asks to wait 3600 s"),
    ],
)
def test_a_server_that_refuses(site, target, fault, hint):
    site.pages["/m"] = Page(CONTENT, faults=[fault] * 9)
    with pytest.raises(DroverError) as failure:
        download(site.url("/m?signature=" + TOKEN) if fault == 404 else site.url("/m"), str(target))
    assert hint in str(failure.value)
    assert TOKEN not in str(failure.value) and "\n" not in str(failure.value)
    assert not target.parent.exists()


def test_an_empty_file_is_none(site, target):
    site.pages["/m"] = Page(b"")
    with pytest.raises(DroverError, match="is empty"):
        download(site.url("/m"), str(target))


def test_the_token_stays_with_its_server_also_when_a_fetch_goes_on(site, target):
    with serve() as store:
        site.pages["/m"] = Page(redirect=store.url("/cdn?signature=1"), token=TOKEN)
        store.pages["/cdn"] = Page(CONTENT, faults=[("drop", 1000)])
        download(site.url("/m"), str(target), TOKEN, SUM)
        assert site.tokens == [f"Bearer {TOKEN}"]
        assert store.tokens == [None, None]
    assert_whole(target)


def test_a_redirect_that_has_expired_is_asked_for_again(site, target):
    with serve() as store:
        site.pages["/m"] = Page(redirect=store.url("/cdn?signature=1"), token=TOKEN)
        store.pages["/cdn"] = Page(CONTENT, faults=[("drop", 1000), 403])
        download(site.url("/m"), str(target), TOKEN, SUM)
        assert site.tokens == [f"Bearer {TOKEN}"] * 2
        assert store.tokens == [None] * 3
    assert_whole(target)


def test_a_certificate_that_nobody_vouches_for(tmp_path, target):
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    with serve(certificate, key) as site:
        site.pages["/m"] = Page(CONTENT)
        with pytest.raises(DroverError) as failure:
            download(site.url("/m"), str(target))
        assert "cannot be trusted: self" in str(failure.value) and "SSL_CERT_FILE" in str(failure.value)
        # As a pod is told which authority to trust.
        program = f"from module_utils.gguf.download import download; download({site.url('/m')!r}, {str(target)!r})"
        environment = {"SSL_CERT_FILE": str(certificate), "PYTHONPATH": os.pathsep.join(sys.path), "no_proxy": "*"}
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert_whole(target)


# --- the disk ---------------------------------------------------------------------------------------------------------


class Another:
    """Another process that fetches the same: it has the lock, and does the next of ``steps`` whenever it is waited
    for. After the last it ends."""

    def __init__(self, monkeypatch, target, *steps):
        (self.part,) = target.parent.iterdir()
        self.file = self.part.open("ab", buffering=0)
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.target, self.steps, self.waits = target, list(steps), []
        monkeypatch.setattr(module, "time", self)

    def sleep(self, seconds):
        self.waits.append(seconds)
        if self.steps:
            self.steps.pop(0)(self)
        if not self.steps:
            self.file.close()

    def idle(self):
        """Nothing comes."""

    def grow(self):
        self.file.write(CONTENT[os.fstat(self.file.fileno()).st_size :][:1000])

    def finish(self):
        self.part.write_bytes(CONTENT)
        self.part.rename(self.target)
        write_note(str(self.target), SUM)

    def discard(self):
        self.part.unlink()


@pytest.mark.parametrize(
    "steps",
    [
        [Another.idle, Another.grow, Another.finish],
        [Another.grow, Another.grow],  # it was ended
        [Another.discard],
        [Another.finish, lambda other: other.target.write_bytes(OTHER)],
    ],
)
def test_another_process_is_waited_for(site, target, monkeypatch, steps):
    broken_off(site, target, 1000, SUM)
    other = Another(monkeypatch, target, *steps)
    assert download(site.url("/m"), str(target), sha256=SUM) == SUM
    assert_whole(target)
    assert other.waits == [1] * len(steps)
    assert len(site.requests) == 1 + (steps[-1] == Another.grow)  # what it left is gone on with


def test_another_process_that_does_nothing_is_not_waited_for_for_ever(site, target, monkeypatch):
    broken_off(site, target, 1000, SUM)
    monkeypatch.setattr(module, "PATIENCE", 3)
    other = Another(monkeypatch, target, *[Another.idle] * 2, Another.grow, *[Another.idle] * 9)
    with pytest.raises(DroverError, match="by another process, without progress for 3 s: end that one"):
        download(site.url("/m"), str(target), sha256=SUM)
    assert len(other.waits) == 6
    other.file.close()
    download(site.url("/m"), str(target), sha256=SUM)
    assert_whole(target)


def test_a_full_disk_is_left_as_it_was(site, tmp_path):
    """/dev/full takes nothing, as a disk with no space left."""
    target = tmp_path / "m.gguf"
    broken_off(site, target, 1000, SUM)
    (part,) = tmp_path.iterdir()
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(DroverError) as failure:
        download(site.url("/m"), str(target), sha256=SUM)
    assert str(failure.value) == (
        f"{target} cannot be written (No space left on device): free some space there, or keep models on a larger disk"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(site, tmp_path):
    site.pages["/m"] = Page(CONTENT)
    (tmp_path / "file").write_text("")
    with pytest.raises(DroverError, match=r"cannot be written .*: give a folder that this user may write to"):
        download(site.url("/m"), str(tmp_path / "file" / "m.gguf"))


def test_a_note_does_not_outlive_its_file(target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert not holds(str(target))
    assert holds(str(target), SUM, may_note=False)
    assert not holds(str(target))
    assert holds(str(target), SUM)  # read once
    assert holds(str(target))
    target.write_bytes(OTHER)
    os.utime(target, (2**31, 2**31))
    assert not holds(str(target))
    assert not holds(str(target), SUM)
    target.unlink()
    assert not holds(str(target), SUM)
