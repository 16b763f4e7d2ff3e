# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers over HTTP, from a server on the loopback interface."""

from __future__ import annotations

import socket
import struct

import pytest
from module_utils.errors import DroverError
from module_utils.gguf import reader, remote, web
from unit.gguf import raw_gguf as raw
from unit.gguf.web_site import Page, serve

TOKEN = "hf_thisIsASecret"
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "RETRY_DELAYS", (0.0,) * len(remote.RETRY_DELAYS))


@pytest.fixture
def other_site():
    with serve() as site:
        yield site


def model_of(tokens, data_bytes=4096):
    """A model with a vocabulary of `tokens`, and the length of its header."""
    tensors = [raw.tensor("token_embd.weight", (data_bytes // 4,))]
    pairs = [raw.ARCHITECTURE, *raw.vocabulary(tokens)]
    return raw.model(pairs, tensors, data_bytes=data_bytes), len(raw.model(pairs, tensors))


def assert_same_as_local(header, content, tmp_path, name="model.gguf"):
    (tmp_path / name).write_bytes(content)
    assert header == reader.read_header(str(tmp_path / name))


def refused(url, token=None):
    """The sentence that reading `url` ends in; it never holds the token."""
    with pytest.raises(DroverError) as failure:
        reader.read_remote_header(url, token)
    message = str(failure.value)
    assert TOKEN not in message
    assert "\n" not in message
    return message


def test_a_small_model(site, tmp_path):
    content, _ = model_of(tokens=10)
    site.pages["/model.gguf"] = Page(content)
    assert_same_as_local(reader.read_remote_header(site.url("/model.gguf")), content, tmp_path)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("tokens", "requests"),
    # Headers of 5, 9 and 17 MB: as Qwen 2.5 has it, GPT-OSS and Gemma 4.
    [(150_000, 1), (250_000, 2), (480_000, 3)],
)
def test_requests_and_bytes_for_a_header(site, tmp_path, tokens, requests):
    content, header_bytes = model_of(tokens, data_bytes=32 * MIB)
    site.pages["/model.gguf"] = Page(content)
    assert_same_as_local(reader.read_remote_header(site.url("/model.gguf")), content, tmp_path)
    assert len(site.requests) == requests
    assert sum(request.sent for request in site.requests) <= header_bytes + remote.BLOCK


def test_reading_stops_after_the_header(site, monkeypatch):
    """Not only are no more blocks asked for: the one under way is not read to its end."""
    received = []
    receive = remote.RemoteSource._receive
    monkeypatch.setattr(
        remote.RemoteSource, "_receive", lambda *arguments: received.append(receive(*arguments)) or received[-1]
    )
    content, header_bytes = model_of(tokens=5_000, data_bytes=32 * MIB)
    site.pages["/model.gguf"] = Page(content)
    reader.read_remote_header(site.url("/model.gguf"))
    assert sum(map(len, received)) <= header_bytes + remote.CHUNK


@pytest.mark.parametrize("length", [True, False], ids=["with its length", "without"])
@pytest.mark.parametrize("tokens", [10, 250_000])
def test_a_server_that_ignores_ranges(site, tmp_path, length, tokens):
    content, _ = model_of(tokens, data_bytes=64 * MIB)
    site.pages["/model.gguf"] = Page(content, ranges=False, length=length)
    header = reader.read_remote_header(site.url("/model.gguf"))
    assert_same_as_local(header, content, tmp_path)
    assert len(site.requests) == 1
    assert site.requests[0].sent < len(content)


def test_a_server_that_gives_less_than_asked(site, tmp_path):
    content, _ = model_of(tokens=30_000)
    site.pages["/model.gguf"] = Page(content, range_limit=500_000)
    assert_same_as_local(reader.read_remote_header(site.url("/model.gguf")), content, tmp_path)


@pytest.mark.parametrize("length", [True, False], ids=["with the block's length", "without"])
def test_a_server_that_does_not_tell_the_size(site, tmp_path, length):
    content, _ = model_of(tokens=250_000)
    site.pages["/model.gguf"] = Page(content, total="*", length=length)
    assert_same_as_local(reader.read_remote_header(site.url("/model.gguf")), content, tmp_path)


def test_long_arrays_are_not_fetched(site, tmp_path):
    """A skip beyond the block under way goes there by a range of its own."""
    numbers = raw.pair("x", raw.ARRAY, raw.array(raw.FLOAT32, 10 * MIB, bytes(40 * MIB)))
    content = raw.model([raw.ARCHITECTURE, numbers, raw.uint32("after", 5)])
    site.pages["/model.gguf"] = Page(content)
    assert_same_as_local(reader.read_remote_header(site.url("/model.gguf")), content, tmp_path)
    assert len(site.requests) == 2
    assert sum(request.sent for request in site.requests) <= remote.BLOCK + MIB


# --- redirects and tokens ---------------------------------------------------------------------------------------------


def test_the_token_is_sent(site):
    site.pages["/model.gguf"] = Page(model_of(10)[0], token=TOKEN)
    reader.read_remote_header(site.url("/model.gguf"), TOKEN)
    assert site.tokens == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_token_stays_with_its_server(site, other_site, tmp_path, host):
    content, _ = model_of(250_000)
    site.pages["/resolve/model.gguf"] = Page(redirect=other_site.url("/cdn/model.gguf?signature=1", host), token=TOKEN)
    other_site.pages["/cdn/model.gguf"] = Page(content)
    header = reader.read_remote_header(site.url("/resolve/model.gguf"), TOKEN)
    assert_same_as_local(header, content, tmp_path)
    assert site.tokens == [f"Bearer {TOKEN}"]
    assert other_site.tokens == [None, None]
    # The redirect is followed once and keeps the range; the second block is asked for where it led.
    assert [request.path for request in other_site.requests] == ["/cdn/model.gguf?signature=1"] * 2
    assert other_site.ranges[0] == f"bytes=0-{remote.BLOCK - 1}"
    assert other_site.ranges[1].startswith("bytes=8388")


def test_the_token_follows_a_redirect_on_its_own_server(site):
    site.pages["/a.gguf"] = Page(redirect="/b.gguf", token=TOKEN)
    site.pages["/b.gguf"] = Page(model_of(10)[0], token=TOKEN)
    reader.read_remote_header(site.url("/a.gguf"), TOKEN)
    assert site.tokens == [f"Bearer {TOKEN}"] * 2


def test_the_token_does_not_come_back_by_another_server(site, other_site):
    site.pages["/a.gguf"] = Page(redirect=other_site.url("/b.gguf"))
    other_site.pages["/b.gguf"] = Page(redirect=site.url("/c.gguf"))
    site.pages["/c.gguf"] = Page(model_of(10)[0])
    reader.read_remote_header(site.url("/a.gguf"), TOKEN)
    assert other_site.tokens == [None]


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("ftp://127.0.0.1/x", "redirects to where we do not follow: 'ftp://127.0.0.1/x' is not a valid URL"),
        (f"http://user:{TOKEN}@127.0.0.1/x", "redirects to where we do not follow: http://127.0.0.1/x comes with"),
        ("file:///etc/passwd", "redirects without end or to nowhere"),
    ],
)
def test_redirects_to_where_we_do_not_go(site, target, hint):
    site.pages["/model.gguf"] = Page(redirect=target)
    assert hint in refused(site.url("/model.gguf"))


def test_redirects_without_end(site):
    site.pages["/model.gguf"] = Page(redirect="/model.gguf")
    assert "redirects without end" in refused(site.url("/model.gguf"))
    assert len(site.requests) < 20


@pytest.mark.parametrize(("status", "token"), [(401, None), (403, None), (401, TOKEN), (403, TOKEN)])
def test_gated_models(site, status, token):
    site.pages["/model.gguf"] = Page(faults=[status])
    message = refused(site.url("/model.gguf"), token)
    assert f"HTTP {status}" in message
    assert ("check the token" if token else "give a token") in message
    assert len(site.requests) == 1


def test_a_presigned_url_that_has_expired(site):
    site.pages["/model.gguf"] = Page(faults=[403])
    message = refused(site.url("/model.gguf?signature=" + TOKEN))
    assert "HTTP 403" in message and "make a new URL if its signature has expired" in message


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "", "ünï"])
def test_tokens_that_no_header_can_carry(site, token):
    with pytest.raises(DroverError, match="the token is not valid"):
        reader.read_remote_header(site.url("/model.gguf"), token)
    assert site.requests == []


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [408, 429, 500, 502, 503, 504, (429, {"Retry-After": "0"}), (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})]
    + [("drop", size) for size in (0, 10, 100_000)],
    ids=str,
)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "stream"])
def test_failures_that_pass(site, tmp_path, fault, ranges):
    content, _ = model_of(30_000)
    site.pages["/model.gguf"] = Page(content, ranges=ranges, faults=[fault, fault])
    assert_same_as_local(reader.read_remote_header(site.url("/model.gguf")), content, tmp_path)
    assert len(site.requests) == 3


def test_a_broken_block_goes_on_where_it_broke(site):
    site.pages["/model.gguf"] = Page(model_of(30_000)[0], faults=[("drop", 100_000)])
    reader.read_remote_header(site.url("/model.gguf"))
    assert site.ranges[1].startswith("bytes=100000-")


@pytest.mark.parametrize("fault", [503, ("drop", 0), ("drop", 5)], ids=str)
def test_failures_that_do_not_pass(site, fault):
    site.pages["/model.gguf"] = Page(model_of(10)[0], faults=[fault] * 100)
    assert "could not be read after 5 attempts" in refused(site.url("/model.gguf"))
    assert len(site.requests) == 5


def test_a_server_that_asks_for_too_much_patience(site):
    site.pages["/model.gguf"] = Page(faults=[(429, {"Retry-After": "3600"})])
    assert "asks to wait 3600 s" in refused(site.url("/model.gguf"))


@pytest.mark.parametrize(("status", "hint"), [(404, "does not exist"), (410, "does not exist"), (400, "HTTP 400")])
def test_other_statuses(site, status, hint):
    site.pages["/model.gguf"] = Page(faults=[status])
    assert hint in refused(site.url("/model.gguf"))
    assert len(site.requests) == 1


WRONG = {
    "range elsewhere": (Page(shift=1), "answered with the range 'bytes 1-"),
    "no range in words": (Page(extra_headers={"Content-Range": "all of it"}), "answered with the range 'all of it'"),
    "huge numbers": (Page(total="9" * 30), "answered with the range"),
    "compressed": (Page(extra_headers={"Content-Encoding": "gzip"}), "comes encoded as gzip"),
    "no content": (Page(faults=[204]), "HTTP 204"),
    "size too small": (Page(total="100"), "cut off or damaged"),
}


@pytest.mark.parametrize(("page", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_answers(site, page, hint):
    page.content = model_of(10)[0]
    page.faults = list(page.faults)
    site.pages["/model.gguf"] = page
    assert hint in refused(site.url("/model.gguf"))


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "stream"])
@pytest.mark.parametrize("length", [True, False], ids=["with its length", "without"])
@pytest.mark.parametrize(
    ("content", "hint"),
    [(b"", "is not a GGUF file"), (b"<!doctype html>" + b" " * 100, "web page"), (raw.model()[:20], "cut off")],
    ids=["empty", "web page", "cut off"],
)
def test_what_is_not_a_model(site, ranges, length, content, hint):
    site.pages["/model.gguf"] = Page(content, ranges=ranges, length=length)
    message = refused(site.url("/model.gguf"))
    assert hint in message or (not length and "it ends at byte" in message)


def test_tensor_data_that_is_cut_off(site):
    site.pages["/model.gguf"] = Page(model_of(10)[0][:-1])
    assert "its tensors need" in refused(site.url("/model.gguf"))


def test_a_file_that_changes_under_way(site):
    content, _ = model_of(250_000)
    site.pages["/model.gguf"] = Page(content[:-1], faults=[("drop", MIB), (301, {"Location": "/new.gguf"})])
    site.pages["/new.gguf"] = Page(content)
    assert "changed while it was read" in refused(site.url("/model.gguf"))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/model.gguf",
        "file:///model.gguf",
        "/model.gguf",
        "http:///model.gguf",
        "http://127.0.0.1:port/model.gguf",
        "http://127.0.0.1:99999/model.gguf",
        "http://127.0.0.1/my model.gguf",
        "http://127.0.0.1/mödel.gguf",
        "http://127.0.0.1/\r\nHost: x",
        "http://[::1/model.gguf",
        "",
    ],
)
def test_urls_that_are_none(url):
    with pytest.raises(DroverError, match="is not a valid URL"):
        reader.read_remote_header(url)


def test_secrets_in_the_url_stay_out_of_messages(site):
    message = refused(site.url("/nothing.gguf?signature=" + TOKEN))
    assert message.startswith(site.url("/nothing.gguf does not exist"))
    assert refused(f"http://user:{TOKEN}@127.0.0.1/model.gguf").startswith("http://127.0.0.1/model.gguf comes with")


@pytest.mark.parametrize("fault", [403, 404, 400, ("drop", 5)], ids=str)
def test_the_signature_of_a_redirect_stays_out_of_messages(site, other_site, fault):
    """A model hub redirects to a storage service by a presigned URL."""
    site.pages["/model.gguf"] = Page(redirect=other_site.url("/cdn.gguf?signature=" + TOKEN))
    other_site.pages["/cdn.gguf"] = Page(model_of(10)[0], faults=[fault] * 10)
    assert refused(site.url("/model.gguf")).startswith(site.url("/model.gguf"))


def test_a_redirect_to_a_bad_address_with_a_signature(site):
    site.pages["/model.gguf"] = Page(redirect=f"http://127.0.0.1:0/x?signature={TOKEN}")
    assert "redirects to where we do not follow" in refused(site.url("/model.gguf"))


def test_an_error_of_the_system_that_tells_the_address(site, monkeypatch):
    def broken(*_arguments, **_options):
        raise OSError(f"no route to {site.url('/model.gguf?signature=' + TOKEN)}")

    monkeypatch.setattr(socket, "create_connection", broken)
    assert "cannot be read: no route to" in refused(site.url("/model.gguf"))


def test_nobody_listens():
    with serve() as gone:
        url = gone.url("/model.gguf")
    assert "connection refused" in refused(url)


def test_a_host_that_does_not_exist(monkeypatch):
    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "host name is unknown" in refused("http://no-such-host.invalid/model.gguf")


def test_a_server_that_says_nothing(site, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT_SECONDS", 0.05)
    site.pages["/model.gguf"] = Page(model_of(10)[0], hold=0.2)
    assert "could not be read after 5 attempts" in refused(site.url("/model.gguf"))


def test_a_server_that_drips(site, monkeypatch):
    monkeypatch.setattr(remote, "DEADLINE_SECONDS", -1)
    site.pages["/model.gguf"] = Page(model_of(10)[0])
    assert "is too slow" in refused(site.url("/model.gguf"))


# --- split models -----------------------------------------------------------------------------------------------------


def shard_pages(count):
    """Shards with 100 tensors each, the first with a vocabulary."""
    shards = []
    for number in range(count):
        pairs = [
            raw.pair("split.no", 2, struct.pack("<H", number)),
            raw.pair("split.count", 2, struct.pack("<H", count)),
            raw.pair("split.tensors.count", 5, struct.pack("<i", 100 * count)),
            *(raw.vocabulary(30_000) if number == 0 else []),
        ]
        tensors = [raw.tensor(f"blk.{number}.{index}", (8,), offset=32 * index) for index in range(100)]
        shards.append(raw.model(pairs, tensors, data_bytes=3200 + 4 * MIB))
    return {f"m y-{number:05d}-of-{count:05d}.gguf": data for number, data in enumerate(shards, start=1)}


def test_a_split_model(site, tmp_path):
    shards = shard_pages(3)
    for name, content in shards.items():
        (tmp_path / name).write_bytes(content)
        site.pages["/repo/" + name.replace(" ", "%20")] = Page(content, token=TOKEN)
    header = reader.read_remote_header(site.url("/repo/m%20y-00001-of-00003.gguf?download=true"), TOKEN)
    assert header == reader.read_header(str(tmp_path / "m y-00001-of-00003.gguf"))
    assert [request.path for request in site.requests] == [
        f"/repo/m%20y-0000{number}-of-00003.gguf?download=true" for number in (1, 2, 3)
    ]
    assert sum(request.sent for request in site.requests[1:]) <= 2 * reader.LATER_SHARD_BLOCK


def test_a_split_model_with_a_shard_missing(site):
    for name, content in list(shard_pages(3).items())[:2]:
        site.pages["/" + name.replace(" ", "%20")] = Page(content)
    message = refused(site.url("/m%20y-00001-of-00003.gguf"))
    assert message.startswith("shard 3 of 3 of the model m y-00001-of-00003.gguf")
    assert "m%20y-00003-of-00003.gguf does not exist" in message
