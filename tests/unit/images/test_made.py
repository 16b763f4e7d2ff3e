# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are made, which are missing, and what all of them are together."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.images.made import make_document, plan_images, read_document, read_image
from unit.images.raw_image import PROGRAMS, image

BUILDER = {"architecture": "amd64", "runs": ["amd64"], "mirror": None}
NOTHING = {"bundle": [], "archives": []}


@pytest.fixture
def planned(tmp_path):
    (tmp_path / "drover.pyz").write_bytes(b"runtime")
    runtime = {"path": str(tmp_path / "drover.pyz"), "version": "1.2.3"}

    def plan(builder=BUILDER, **changes):
        settings = {
            "architectures": ["arm64", "amd64"],
            "method": "auto",
            "builds": [],
            "name": "localhost/drover-llama",
            "base": "mmdebstrap",
            "packages": [],
            "mirror": "",
            "apt_options": [],
            "auth_file": "",
            "tls_verify": True,
            "refresh": False,
            "work": "/srv/made",
            "cache": str(tmp_path),
            **changes,
        }
        return plan_images(settings, NOTHING, builder, runtime)

    return plan


def keep(folder, recipe, content=b"archive", **changes):
    made = image(recipe["architecture"], id=recipe["id"], **changes)
    (folder / f"{recipe['id']}.json").write_text(json.dumps(made))
    (folder / made["file"]).write_bytes(content)
    return made


def test_what_is_missing_and_then_made(planned, tmp_path):
    first, second = planned()["missing"]
    assert (first["architecture"], second["architecture"]) == ("amd64", "arm64")
    assert "runtime/programs.json" not in second["texts"]
    keep(tmp_path, first)
    (second,) = planned()["missing"]
    told = json.loads(second["texts"]["runtime/programs.json"])
    assert told["rpc_server"] == PROGRAMS["rpc_server"].replace("x86_64", "aarch64")
    keep(tmp_path, second)
    done = planned()
    assert done["missing"] == []
    assert set(done["document"]["images"]) == {"amd64", "arm64"}
    assert read_document(json.loads(json.dumps(done["document"])), "images.json") == done["document"]


def test_images_that_are_there_are_made_again_when_asked(planned, tmp_path):
    for recipe in planned()["missing"]:
        keep(tmp_path, recipe)
    again = planned(refresh=True)
    assert [recipe["architecture"] for recipe in again["missing"]] == ["amd64", "arm64"]
    assert again["document"] is None


def test_an_archive_that_was_cut_off_is_missing(planned, tmp_path):
    first = planned()["missing"][0]
    keep(tmp_path, first, content=b"arch")
    assert read_image(str(tmp_path), first["id"]) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', '{"schema": 1}'])
def test_a_description_that_is_damaged(planned, tmp_path, text):
    first = planned()["missing"][0]
    (tmp_path / f"{first['id']}.json").write_text(text)
    with pytest.raises(DroverError, match="llama_image_refresh"):
        planned()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architectures": []}, "llama_image_architectures is empty"),
        ({"architectures": ["x86"]}, "is 'x86' but must be one of amd64, arm64"),
        ({"architectures": ["arm64"]}, "add amd64 to llama_image_architectures"),
        ({"base": "debian:13"}, "runs no programs for arm64"),
    ],
)
def test_what_cannot_be_made(planned, changes, words):
    with pytest.raises(DroverError, match=words):
        planned(**changes)


def test_unequal_builds_make_no_document():
    with pytest.raises(DroverError, match="RPC works between equal builds only"):
        make_document([image(), image("arm64", programs={**PROGRAMS, "build": 11670})])


def test_a_document_without_an_image():
    document = make_document([image(), image("arm64")])
    del document["images"]["arm64"]["digest"]
    with pytest.raises(DroverError, match=r"image for arm64 in images\.json has no digest"):
        read_document(document, "images.json")
