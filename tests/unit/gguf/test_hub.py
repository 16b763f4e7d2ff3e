# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models on a Hub on the loopback interface: which files are meant, and that they come as they are or not at all."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from module_utils.errors import DroverError
from module_utils.gguf import download as downloading
from module_utils.gguf import hub
from module_utils.gguf.address import shard_urls
from module_utils.gguf.download import download
from module_utils.gguf.hub import resolve
from unit.gguf.web_site import Page, serve

COMMIT = "bf5b95e96dac0462e2a09145ec66cae9a3f12067"
API = "/api/models/maker/model-GGUF/revision/main"
REPOSITORY = "maker/model-GGUF"
TOKEN = "hf_thisIsASecret"
CONTENT = random.Random(2).randbytes(2 * 1024 * 1024 + 5)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(hub, "DELAYS", (0.0,) * 3)
    monkeypatch.setattr(downloading, "DELAYS", (0.0,) * 3)


def sibling(path, content=CONTENT, **more):
    large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}
    return {"rfilename": path, "size": len(content), "blobId": "0" * 40, "lfs": large, **more}


def answer(*files, **more):
    small = {"rfilename": "README.md", "size": 5, "blobId": "1" * 40}
    listed = [small, *(sibling(each) if isinstance(each, str) else each for each in files)]
    return json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": listed, **more}).encode()


def repository(site, *files, **page):
    """A Hub with one repository of these files, which it gives from another server, as the real one does."""
    site.pages[API] = Page(answer(*files), ranges=False, **page)
    return site


def named(site, quantization="", file="", **more):
    return resolve(REPOSITORY, quantization, file, endpoint=site.url("/").rstrip("/"), **more)


PLAIN = ("model-Q4_K_M.gguf", "model-Q8_0.gguf", "model-IQ4_XS.gguf", "mmproj-model-f16.gguf", "imatrix.gguf")
SPLIT = tuple(f"Q8_0/model-Q8_0-0000{number}-of-00003.gguf" for number in (3, 1, 2))


@pytest.mark.parametrize(
    ("files", "wish", "path", "names"),
    [
        (PLAIN, {"quantization": "Q4_K_M"}, "model-Q4_K_M.gguf", ["model-Q4_K_M.gguf"]),
        (PLAIN, {"quantization": "q8_0"}, "model-Q8_0.gguf", ["model-Q8_0.gguf"]),
        (PLAIN, {"file": "model-IQ4_XS.gguf"}, "model-IQ4_XS.gguf", ["model-IQ4_XS.gguf"]),
        # The only one that there is need not be named.
        (("model.gguf", "mmproj-f16.gguf"), {}, "model.gguf", ["model.gguf"]),
        (("Model.Q4_0.gguf",), {"quantization": "Q4_0"}, "Model.Q4_0.gguf", ["Model.Q4_0.gguf"]),
        # Q4_K is a part of Q4_K_M, and no quantization of that file.
        (("m-Q4_K.gguf", "m-Q4_K_M.gguf"), {"quantization": "Q4_K"}, "m-Q4_K.gguf", ["m-Q4_K.gguf"]),
        (("a b/m-Q4_0.gguf",), {}, "a%20b/m-Q4_0.gguf", ["m-Q4_0.gguf"]),
        (
            (*PLAIN[:1], *SPLIT),
            {"quantization": "Q8_0"},
            "Q8_0/model-Q8_0-00001-of-00003.gguf",
            [f"model-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3)],
        ),
        (SPLIT, {"file": SPLIT[1]}, SPLIT[1], [f"model-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3)]),
    ],
)
def test_which_files_are_meant(site, files, wish, path, names):
    found = named(repository(site, *files), **wish)
    assert found == {
        "commit": COMMIT,
        "url": site.url(f"/{REPOSITORY}/resolve/{COMMIT}/{path}"),
        "names": names,
        "sha256": [SUM] * len(names),
        "file_bytes": [len(CONTENT)] * len(names),
    }


@pytest.mark.parametrize(
    ("files", "wish", "words"),
    [
        (PLAIN, {"quantization": "Q5_K_M"}, ["no model of the quantization 'Q5_K_M'", *PLAIN[:3]]),
        (PLAIN, {"file": "other.gguf"}, ["no model 'other.gguf'", *PLAIN[:3]]),
        (PLAIN, {"file": "mmproj-model-f16.gguf"}, ["no model 'mmproj-model-f16.gguf'"]),
        (PLAIN, {}, ["3 models and none was named", *PLAIN[:3], "name one of them by its file"]),
        (("UD/m-UD-Q4_0.gguf", "m-Q4_0.gguf"), {"quantization": "Q4_0"}, ["2 models that fit 'Q4_0'", "UD/m-UD-Q4_0"]),
        ((), {}, ["no GGUF model, but none at all"]),
        ([f"m{number:02}.gguf" for number in range(30)], {}, ["m19.gguf and 10 more"]),
        (SPLIT[:2], {}, ["is one of 3 shards, and there are 2"]),
        ([{"rfilename": "m.gguf", "size": 5}], {}, ["m.gguf", "no sha256"]),
        ([sibling("m.gguf", size=7)], {}, ["another size"]),
        (PLAIN, {"quantization": "Q4_K_M", "file": "model-Q4_K_M.gguf"}, ["give one of them"]),
    ],
)
def test_what_is_not_there_or_not_clear(site, files, wish, words):
    with pytest.raises(DroverError) as caught:
        named(repository(site, *files), **wish)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("name", ["model", "a/b/c", "../x", "a b/c", "", "a/b?x=1"])
def test_what_is_no_repository(name):
    with pytest.raises(DroverError, match="give OWNER/NAME"):
        resolve(name)


def test_a_revision_stands_for_itself_alone(site):
    site.pages["/api/models/maker/model-GGUF/revision/refs%2Fpr%2F1"] = Page(answer("m.gguf"))
    assert named(site, revision="refs/pr/1")["commit"] == COMMIT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "tells"),
        (b"{}", "The commit of maker/model-GGUF"),
        (answer(siblings=None), "tells of no files"),
        (answer(siblings=["m.gguf"]), "A file of maker/model-GGUF"),
        (answer(sibling("m.gguf", lfs={"sha256": "5", "size": 5})), "another size"),
        (answer(sibling("m.gguf", lfs={"sha256": "5", "size": len(CONTENT)})), "64 hexadecimal digits"),
        (answer(sibling("m.gguf", lfs={"sha256": SUM})), "The size of m.gguf"),
    ],
)
def test_what_no_hub_says(site, content, words):
    site.pages[API] = Page(content)
    with pytest.raises(DroverError, match=words):
        named(site)


CUT_CHUNK = (200, {"Transfer-Encoding": "chunked"}, b"64\r\n{")


@pytest.mark.parametrize(
    "fault", [500, 502, 503, (429, {"Retry-After": "0"}), ("drop", 0), ("drop", 40), CUT_CHUNK], ids=str
)
def test_a_busy_hub_is_asked_again(site, fault):
    repository(site, "m.gguf", faults=[fault])
    assert named(site)["names"] == ["m.gguf"]
    assert len(site.requests) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (401, "HTTP 401.*give a token if the model is gated or private"),
        (403, "HTTP 403.*give a token if the model is gated or private"),
        (404, "does not exist"),
        ((429, {"Retry-After": "3600"}), "asks to wait 3600 s"),
        (418, "HTTP 418"),
    ],
)
def test_a_hub_that_refuses(site, fault, words):
    repository(site, "m.gguf", faults=[fault] * 9)
    with pytest.raises(DroverError, match=words):
        named(site)
    assert len(site.requests) == 1


def test_a_hub_that_stays_away(site):
    repository(site, "m.gguf", faults=[500] * 9)
    with pytest.raises(DroverError, match="after 4 attempts: HTTP 500"):
        named(site)


def test_a_gated_model_is_asked_for_with_the_token_that_nobody_else_sees(site, tmp_path):
    with serve() as elsewhere:
        elsewhere.pages["/blob"] = Page(CONTENT)
        repository(site, "m.gguf", token=TOKEN)
        path = f"/{REPOSITORY}/resolve/{COMMIT}/m.gguf"
        linked = {"X-Linked-Etag": f'"{SUM}"', "X-Linked-Size": str(len(CONTENT))}
        site.pages[path] = Page(token=TOKEN, redirect=elsewhere.url("/blob"), extra_headers=linked)
        found = named(site, token=TOKEN)
        download(found["url"], str(tmp_path / "m.gguf"), TOKEN, found["sha256"][0])
        assert (tmp_path / "m.gguf").read_bytes() == CONTENT
        assert site.tokens == [f"Bearer {TOKEN}"] * 2
        assert elsewhere.tokens == [None]
        with pytest.raises(DroverError, match="check the token") as caught:
            named(site, token="hf_wrongOne")
        assert "hf_wrongOne" not in str(caught.value)


@pytest.mark.parametrize(
    ("page", "whole"),
    [
        ({}, True),
        ({"faults": [("drop", 1 << 20)]}, True),
        ({"faults": [500, ("drop", 70_000), (429, {"Retry-After": "0"})]}, True),
        ({"content": CONTENT[:-1] + b"x"}, False),
        ({"content": CONTENT[:-1]}, False),
        ({"content": CONTENT + b"x"}, False),
        ({"faults": [404] * 9}, False),
        ({"faults": [("drop", 0)] * 9}, False),
    ],
)
def test_every_shard_comes_to_the_bit_or_not_at_all(site, tmp_path, page, whole):
    names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
    repository(site, *names)
    for name in names:
        site.pages[f"/{REPOSITORY}/resolve/{COMMIT}/{name}"] = Page(redirect=site.url(f"/blob/{name}"))
        site.pages[f"/blob/{name}"] = Page(**{"content": CONTENT, **page})
    found = named(site)
    for url, name, total in zip(shard_urls(found["url"], found["names"]), names, found["sha256"]):
        target = tmp_path / name
        if whole:
            download(url, str(target), None, total)
            assert target.read_bytes() == CONTENT
        else:
            with pytest.raises(DroverError):
                download(url, str(target), None, total)
            assert not target.exists()
