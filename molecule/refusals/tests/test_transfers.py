# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models by URL, on a Hub and from the leader's own disk: placed when right, and nothing half-written stays when not.

What is wrong with a transfer shows only in the middle of it, so here something was changed, and taken back again.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager

import pytest
from cluster import LEADER, ROOT, answers, host
from hub_server import REPOSITORY, serve_hub
from model_server import serve
from playbook import failed, play, refused, succeeded

MODEL = ROOT / "tests" / "assets" / "drover-demo.gguf"
SHA256 = hashlib.sha256(MODEL.read_bytes()).hexdigest()
MODELS = "/var/lib/drover/models"
OWN = "/srv/drover-test/own.gguf"


def from_url(url: str, sha256: str = SHA256, **more) -> dict:
    return {"gguf_model_path": "", "gguf_model_url": url, "gguf_model_sha256": sha256, **more}


def listing(folder: str) -> str:
    return host(LEADER).check_output("ls -lAR --time-style=full-iso %s", folder)


@contextmanager
def small_disk(options: str):
    """A file system of its own on the leader."""
    leader, folder = host(LEADER), "/mnt/drover-test"
    try:
        leader.check_output(f"mkdir -p {folder} && mount -t tmpfs -o mode=0755,{options} none {folder}")
        yield folder
    finally:
        leader.run(f"umount --lazy {folder}; rmdir {folder}")


@pytest.fixture(scope="module")
def deployed_again():
    """Whatever the tests of this file served, the demo model is served after them."""
    yield
    succeeded(play("site"))
    host(LEADER).check_output(f"rm -rf {MODELS}/served.gguf* {MODELS}/demo-* {OWN.rpartition('/')[0]}")


def test_a_url_with_the_wrong_sha256():
    before = listing(MODELS)
    with serve(MODEL.read_bytes()) as url:
        run = play("site", settings=from_url(url, "0" * 64))
    failed(run, f"{url} could not be placed in {MODELS} on {LEADER}", SHA256, "check the URL, gguf_model_sha256")
    assert listing(MODELS) == before


@pytest.mark.long  # tests/unit/gguf/test_gguf_remote.py
def test_a_url_where_nothing_is():
    with serve(b"") as url:
        gone = url
    refused(play("plan", settings=from_url(gone)), gone, "gguf_model_url", "Nothing was changed")


@pytest.mark.long  # tests/unit/gguf/test_download.py
def test_a_disk_that_is_full_in_the_middle_of_a_download():
    with small_disk("size=16m") as folder:

        def fill():
            host(LEADER).run(f"cat /dev/zero > {folder}/others-work")
            return True

        with serve(MODEL.read_bytes(), midway=fill) as url:
            run = play("site", settings=from_url(url, gguf_model_directory=folder))
        left = host(LEADER).check_output(f"ls -A {folder}").split()
    failed(run, f"could not be placed in {folder} on {LEADER}", "No space left on device")
    assert left == ["others-work"]


@pytest.mark.long  # a file of the controller takes the same way to the same end
def test_a_disk_that_is_full_when_the_controllers_file_arrives():
    # Room for the bytes, but for no third file: the model folder, .incoming and Ansible's folder in it are all.
    with small_disk("size=64m,nr_inodes=3") as folder:
        run = play("site", settings={"gguf_model_directory": folder})
        left = host(LEADER).check_output(f"ls -A {folder}")
    failed(run, f"{MODEL} could not be placed in {folder} on {LEADER}", "No space left on device", "check the disk")
    assert left == ""


def test_a_disk_that_the_model_fills_already():
    """A second run must not ask for room that the first one has taken."""
    with small_disk("size=10m") as folder:
        host(LEADER).check_output(f"cp {MODELS}/{MODEL.name} {folder}")
        succeeded(play("plan", settings={"gguf_model_directory": folder}))


def test_a_model_by_url(deployed_again, api):
    token = "a-token-that-nobody-is-told"
    with serve(MODEL.read_bytes(), token=token) as url:
        settings = from_url(url, gguf_model_token=token)
        succeeded(play("site", settings=settings, check=True))
        assert not host(LEADER).file(f"{MODELS}/served.gguf").exists
        first = succeeded(play("site", settings=settings))
        again = succeeded(play("site", settings=settings))
    assert token not in first.said + again.said
    assert set(again.changed.values()) == {0}, again.changed
    assert host(LEADER).file(f"{MODELS}/served.gguf").sha256sum == SHA256
    question, answer = answers()[0]
    assert api.ask(question) == answer


def test_a_model_on_the_hub(deployed_again, api):
    token, name = "hf_aTokenThatNobodyIsTold", "demo-Q8_0.gguf"
    leader, question = host(LEADER), answers()[0]
    with serve_hub({name: MODEL.read_bytes(), "demo-Q4_0.gguf": MODEL.read_bytes()}, token=token) as url:
        found = {"gguf_model_path": "", "gguf_model_repo": REPOSITORY, "gguf_model_revision": "release"}
        settings = {**found, "gguf_model_hub_url": url, "gguf_model_token": token}
        unclear = play("plan", settings=settings)
        refused(unclear, "2 models and none was named", name, "demo-Q4_0.gguf", "gguf_model_repo_file")
        refused(play("plan", settings={**settings, "gguf_model_token": ""}), "HTTP 401", "give a token")
        first = succeeded(play("site", settings={**settings, "gguf_model_quantization": "Q8_0"}))
        again = succeeded(play("site", settings={**settings, "gguf_model_repo_file": name}))
    assert token not in first.said + again.said + unclear.said
    assert set(again.changed.values()) == {0}, again.changed
    assert leader.file(f"{MODELS}/{name}").sha256sum == SHA256
    assert api.ask(question[0]) == question[1]


def test_a_model_that_is_on_the_leader_already(deployed_again, api):
    leader, folder = host(LEADER), OWN.rpartition("/")[0]
    leader.check_output(f"install -D -m 0644 {MODELS}/drover-demo.gguf {OWN}")
    before = listing(folder), leader.file(OWN).sha256sum
    settings = {"gguf_model_path": "", "gguf_model_leader_path": OWN}
    succeeded(play("site", settings=settings))
    again = succeeded(play("site", settings=settings))
    assert set(again.changed.values()) == {0}, again.changed
    question, answer = answers()[0]
    assert api.ask(question) == answer
    process = leader.check_output("systemctl show --property MainPID --value drover-server@main.service")
    assert OWN in leader.file(f"/proc/{process}/cmdline").content_string.split("\0")
    assert (listing(folder), leader.file(OWN).sha256sum) == before
