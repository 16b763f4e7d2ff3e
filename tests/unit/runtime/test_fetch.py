# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover fetch`` from a server on the loopback interface: whole models, once, and no secret told."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import sys

import pytest
from module_utils.gguf import download, store
from module_utils.gguf.reader import read_header
from module_utils.runtime import command
from unit.gguf import raw_gguf as raw
from unit.gguf.web_site import Page, serve

TOKEN = "hf_thisIsASecret"
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "DELAYS", (0.0,) * 3)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("DROVER_TOKEN", raising=False)


@pytest.fixture
def site():
    with serve() as site:
        yield site


def model(data_bytes=4096):
    pairs = [raw.ARCHITECTURE, *raw.vocabulary(10)]
    return raw.model(pairs, [raw.tensor("token_embd.weight", (data_bytes // 4,))], data_bytes=data_bytes)


def shards(count=3):
    """Name -> content of the shards of one model."""
    made = {}
    for number in range(count):
        pairs = [
            raw.ARCHITECTURE,
            raw.pair("split.no", 2, struct.pack("<H", number)),
            raw.pair("split.count", 2, struct.pack("<H", count)),
            raw.pair("split.tensors.count", 5, struct.pack("<i", count)),
        ]
        content = raw.model(pairs, [raw.tensor(f"blk.{number}.x", (8,))], data_bytes=32)
        made[f"m-{number + 1:05d}-of-{count:05d}.gguf"] = content
    return made


def sum_of(content):
    return hashlib.sha256(content).hexdigest()


def fetch(capsys, url, to, *more):
    code = command.main("1", ["fetch", "--url", url, "--to", str(to), *more])
    out, error = capsys.readouterr()
    assert out == "" and TOKEN not in error
    return code, error


MODEL = model()
SUM = sum_of(MODEL)


@pytest.mark.parametrize("more", [(), ("--sha256", SUM), ("--sha256", SUM.upper())], ids=["", "sum", "capitals"])
def test_a_model_is_fetched_once_and_then_no_server_is_asked(site, tmp_path, capsys, more):
    site.pages["/repo/m.gguf"] = Page(MODEL)
    to = tmp_path / "models" / "other-name.gguf"
    assert fetch(capsys, site.url("/repo/m.gguf"), to, *more) == (0, f"drover: {to} is there\n")
    assert to.read_bytes() == MODEL
    assert (to.parent / "other-name.gguf.source").read_text() == f"sha256 {SUM}\n"
    site.requests.clear()
    assert fetch(capsys, site.url("/repo/m.gguf"), to, *more) == (0, f"drover: {to} is there already\n")
    assert site.requests == []


def test_a_model_that_somebody_put_there_is_checked_once(site, tmp_path, capsys):
    to = tmp_path / "m.gguf"
    to.write_bytes(MODEL)
    assert fetch(capsys, site.url("/m.gguf"), to, "--sha256", SUM)[0] == 0
    assert (site.requests, (tmp_path / "m.gguf.source").exists()) == ([], True)


@pytest.mark.parametrize("case", ["another sha256", "cut off", "damaged", "without a note"])
def test_what_is_not_the_model_is_fetched_anew(site, tmp_path, capsys, case):
    site.pages["/m.gguf"] = Page(MODEL)
    to = tmp_path / "m.gguf"
    fetch(capsys, site.url("/m.gguf"), to, "--sha256", SUM)
    more = ["--sha256", SUM]
    if case == "another sha256":
        site.pages["/m.gguf"] = Page(model(8192))
        more = ["--sha256", sum_of(model(8192))]
    elif case == "without a note":
        (tmp_path / "m.gguf.source").unlink()
        more = []
    else:
        to.write_bytes(MODEL[:-1] if case == "cut off" else bytes(100))
        os.utime(to, (2**31, 2**31))
    assert fetch(capsys, site.url("/m.gguf"), to, *more) == (0, f"drover: {to} is there\n")
    assert to.read_bytes() == site.pages["/m.gguf"].content
    assert sorted(os.listdir(tmp_path)) == ["m.gguf", "m.gguf.source"]


@pytest.mark.parametrize("checked", [True, False])
def test_all_shards_of_a_split_model(site, tmp_path, capsys, checked):
    made = shards()
    for name, content in made.items():
        site.pages["/repo/" + name] = Page(content)
    first = next(iter(made))
    more = ["--sha256", *map(sum_of, made.values())] if checked else []
    assert fetch(capsys, site.url(f"/repo/{first}?download=true"), tmp_path / first, *more)[0] == 0
    assert {name: (tmp_path / name).read_bytes() for name in made} == made
    assert len(read_header(str(tmp_path / first)).shards) == 3
    site.requests.clear()
    assert fetch(capsys, site.url(f"/repo/{first}?download=true"), tmp_path / first, *more)[0] == 0
    assert site.requests == []
    # Only what is missing is fetched.
    last = tmp_path / list(made)[-1]
    last.unlink()
    assert fetch(capsys, site.url(f"/repo/{first}?download=true"), tmp_path / first, *more)[0] == 0
    assert last.exists()
    assert [request.path for request in site.requests if request.headers["Range"].endswith("-")] == [
        f"/repo/{last.name}?download=true"
    ]


FIRST = "m-00001-of-00003.gguf"


@pytest.mark.parametrize(
    ("url", "to", "more", "told"),
    [
        ("/none.gguf", "m.gguf", [], "does not exist (HTTP 404): check the address"),
        ("/gated.gguf", "m.gguf", [], "refused access (HTTP 401): give a token"),
        ("/page.gguf", "m.gguf", [], "is not a GGUF file: it is a web page"),
        (
            "/m.gguf",
            "m.gguf",
            ["--sha256", "0" * 64],
            f"has the sha256 {SUM} where {'0' * 64} was expected, and nothing",
        ),
        ("/m.gguf", "m.gguf", ["--sha256", "xyz"], "The sha256 'xyz' is none: expected 64 hexadecimal digits"),
        ("/m.gguf", "m.gguf", ["--sha256", SUM, SUM], "2 sha256 were given for 1 shards: give one for each"),
        (f"/{FIRST}", "model.gguf", [], "model.gguf is to be the first of 3 shards, which llama.cpp finds by their "),
        (f"/{FIRST}", FIRST, ["--sha256", SUM], "1 sha256 were given for 3 shards: give one for each, in their order"),
        ("/big.gguf", "m.gguf", [], "free, and m.gguf needs 900 TiB there: free some space"),
        (
            "/m.gguf",
            "m.gguf",
            ["--token-file", "/nowhere"],
            "/nowhere cannot be read (No such file or directory): give",
        ),
        ("ftp://127.0.0.1/m.gguf", "m.gguf", [], "is not a valid URL: expected http://HOST/... or https://HOST/..."),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence_and_leaves_nothing(site, tmp_path, capsys, url, to, more, told):
    site.pages["/m.gguf"] = Page(MODEL)
    site.pages["/gated.gguf"] = Page(MODEL, token=TOKEN)
    site.pages["/page.gguf"] = Page(b"<!doctype html><title>Sign in</title>")
    site.pages["/big.gguf"] = Page(MODEL, total=str(900 << 40))
    site.pages.update({"/" + name: Page(content) for name, content in shards().items()})
    address = site.url(url) + "?signature=" + TOKEN if url == "/none.gguf" else site.url(url)
    code, error = fetch(capsys, url if url.startswith("ftp") else address, tmp_path / to, *more)
    assert (code, error.count("\n")) == (78, 1)
    assert told in error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("way", ["environment", "file"])
def test_a_token_is_given_to_its_server_alone(site, tmp_path, monkeypatch, capsys, way):
    more = []
    if way == "environment":
        monkeypatch.setenv("DROVER_TOKEN", TOKEN)
    else:
        (tmp_path / "token").write_text(TOKEN + "\n")
        more = ["--token-file", str(tmp_path / "token")]
    with serve() as store:
        site.pages["/m.gguf"] = Page(redirect=store.url("/cdn"), token=TOKEN)
        store.pages["/cdn"] = Page(MODEL)
        assert fetch(capsys, site.url("/m.gguf"), tmp_path / "m.gguf", *more)[0] == 0
        assert set(site.tokens) == {f"Bearer {TOKEN}"}
        assert set(store.tokens) == {None}


def test_a_step_that_is_ended_goes_on_at_the_next_start(site, tmp_path, capsys):
    """As a pod is evicted in the middle of a model: SIGTERM, and once more from the start of the step."""
    content = model(4 * MIB)
    page = site.pages["/m.gguf"] = Page(content)
    to = tmp_path / "m.gguf"
    program = (
        "import os, signal, sys\n"
        "from module_utils.runtime import command, fetch\n"
        "def end(self, done, size):\n"
        "    if done > 2_000_000: os.kill(os.getpid(), signal.SIGTERM)\n"
        "fetch.Progress.__call__ = end\n"
        "sys.exit(command.main('1', sys.argv[1:]))"
    )
    arguments = ["fetch", "--url", site.url("/m.gguf"), "--to", str(to), "--sha256", sum_of(content)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program, *arguments], env=environment, check=False, timeout=30)
    assert ended.returncode == 128 + signal.SIGTERM
    assert not to.exists()
    held = store.arrived_bytes(str(to))
    assert 2_000_000 < held < len(content)
    site.requests.clear()
    assert fetch(capsys, *arguments[2:5:2], *arguments[5:])[0] == 0
    assert to.read_bytes() == page.content
    assert site.ranges[-1] == f"bytes={held}-"
