# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hub's own client and ours, on one Hub: they find the same, and so that Hub speaks as the client expects it."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi, hf_hub_download
from module_utils.gguf.address import shard_urls
from module_utils.gguf.download import download
from unit.gguf.test_hub import COMMIT, CONTENT, REPOSITORY, SPLIT, SUM, TOKEN, named, repository
from unit.gguf.web_site import Page, serve


@pytest.fixture
def gated(site, monkeypatch):
    """A Hub with a split model behind a login, whose files lie on another server; and that server."""
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with serve() as storage:
        repository(site, *SPLIT, token=TOKEN)
        told = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{SUM}"', "X-Linked-Size": str(len(CONTENT))}
        for path in SPLIT:
            storage.pages[f"/{path}"] = Page(CONTENT, extra_headers={"ETag": '"of the storage"'})
            site.pages[f"/{REPOSITORY}/resolve/{COMMIT}/{path}"] = Page(
                token=TOKEN, redirect=storage.url(f"/{path}"), extra_headers=told
            )
        yield site, storage


def test_both_find_the_same_files(gated):
    site, _storage = gated
    told = HfApi(endpoint=site.url(""), token=TOKEN).model_info(REPOSITORY, revision="main", files_metadata=True)
    found = named(site, quantization="Q8_0", token=TOKEN)
    theirs = {each.rfilename.rpartition("/")[2]: each for each in told.siblings}
    assert found["commit"] == told.sha
    assert found["sha256"] == [theirs[name].lfs.sha256 for name in found["names"]]
    assert found["file_bytes"] == [theirs[name].size for name in found["names"]]


def test_both_fetch_the_same_bytes(gated, tmp_path):
    site, storage = gated
    found = named(site, quantization="Q8_0", token=TOKEN)
    for url, path in zip(shard_urls(found["url"], found["names"]), sorted(SPLIT), strict=True):
        theirs = hf_hub_download(
            REPOSITORY, path, revision=COMMIT, endpoint=site.url(""), token=TOKEN, local_dir=tmp_path / "theirs"
        )
        ours = tmp_path / path.rpartition("/")[2]
        download(url, str(ours), TOKEN, SUM)
        with open(theirs, "rb") as file:
            assert file.read() == ours.read_bytes() == CONTENT
    assert set(storage.tokens) == {None}
