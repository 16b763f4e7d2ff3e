# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives there are for the hosts at hand: in the cache, to be fetched, in a bundle."""

from __future__ import annotations

import hashlib
import json

import pytest
from module_utils.builds import offers
from module_utils.builds.archive import inspect_archive
from module_utils.errors import DroverError
from unit.builds.raw_archive import release, tar

NAMES = {"x86_64": "llama-b100-x64.tar.gz", "aarch64": "llama-b100-arm64.tar.gz"}
X64, ARM64 = "ab" * 32, "cd" * 32


def host(architecture="x86_64", builds=()):
    return {"platform": {"architecture": architecture}, "llama_cpp": {"builds": list(builds)}}


def gather(tmp_path, *hosts, digests=None, **options):
    digests = {"x86_64": X64, "aarch64": ARM64} if digests is None else digests
    settings = {"tag": "b100", "archive_names": NAMES, "archive_sha256": digests, "cache": str(tmp_path), **options}
    return offers.gather(hosts, **settings)


def names(found):
    return {kind: [offer["file"] for offer in found[kind]] for kind in found if found[kind]}


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([host()], ["x86_64"]),
        ([host(), host("aarch64"), host()], ["x86_64", "aarch64"]),
        ([host("riscv64")], []),  # which archive the host lacks is said by the choice
        ([], ["x86_64", "aarch64"]),  # for a bundle: one of each
    ],
)
def test_what_no_one_has_is_to_be_fetched(tmp_path, hosts, expected):
    found = gather(tmp_path, *hosts)
    assert (found["archives"], found["bundle"]) == ([], [])
    assert [offer["file"] for offer in found["missing"]] == [NAMES[architecture] for architecture in expected]


def test_where_it_is_to_be_fetched_to(tmp_path):
    assert gather(tmp_path, host(), digests={"x86_64": X64.upper()})["missing"] == [
        {"file": NAMES["x86_64"], "path": f"{tmp_path}/b100-abababab-{NAMES['x86_64']}", "sha256": X64}
    ]


def test_an_archive_whose_build_every_host_has_is_not_needed(tmp_path):
    found = gather(tmp_path, host(builds=["b1-00000000", "b100-abababab"]), host("aarch64"))
    assert [(offer["id"], offer["architecture"], offer["glibc"]) for offer in found["archives"]] == [
        ("b100-abababab", "x86_64", None)
    ]
    assert [offer["sha256"] for offer in found["missing"]] == [ARM64]


def test_an_archive_that_one_host_lacks_is_needed(tmp_path):
    assert gather(tmp_path, host(builds=["b100-abababab"]), host())["archives"] == []


def cached(tmp_path, build):
    path = tmp_path / f"{build}-{NAMES['x86_64']}"
    tar(path, release())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(tmp_path / f"b100-{digest[:8]}-{NAMES['x86_64']}") if build == "proven" else path, digest


def test_an_archive_in_the_cache_is_looked_into(tmp_path):
    path, digest = cached(tmp_path, "proven")
    found = gather(tmp_path, host(), digests={"x86_64": digest})
    assert found["missing"] == []
    assert found["archives"] == [inspect_archive(str(path), digest, label="b100", id=f"b100-{digest[:8]}")]


def test_a_damaged_archive_in_the_cache_is_fetched_again(tmp_path):
    path, digest = cached(tmp_path, "proven")
    path.write_bytes(path.read_bytes()[:-1])
    found = gather(tmp_path, host(), digests={"x86_64": digest})
    assert (found["archives"], [offer["path"] for offer in found["missing"]]) == ([], [str(path)])


def test_an_archive_without_a_sha256_is_taken_only_when_that_is_wanted(tmp_path):
    assert names(gather(tmp_path, host(), digests={})) == {}
    assert [offer["path"] for offer in gather(tmp_path, host(), digests={}, require_sha256=False)["missing"]] == [
        f"{tmp_path}/b100-unproven-{NAMES['x86_64']}"
    ]
    cached(tmp_path, "b100-unproven")
    found = gather(tmp_path, host(), digests={}, require_sha256=False)
    assert [offer["id"] for offer in found["archives"]] == ["b100-unproven"]


@pytest.mark.parametrize("method", ["package", "source", "bundle"])
def test_a_method_that_takes_no_archive_fetches_none(tmp_path, method):
    assert names(gather(tmp_path, host(), method=method)) == {}


def test_without_a_release_there_is_none(tmp_path):
    assert names(gather(tmp_path, host(), tag="")) == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "archive", "digests": {}}, ["llama_cpp_archive_sha256 is empty", "b100", "release's page"]),
        ({"source": "/x.tar.gz", "tag": ""}, ["llama_cpp_source is /x.tar.gz", "llama_cpp_tag"]),
        ({"source": "/x.tar.gz", "method": "source"}, ["llama_cpp_source is /x.tar.gz", "llama_cpp_source_sha256"]),
    ],
)
def test_settings_that_lack_something_are_refused(tmp_path, options, told):
    with pytest.raises(DroverError) as error:
        gather(tmp_path, host(), **options)
    for part in told:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"source": "/x.tar.gz", "source_sha256": X64},
        {"source": "/x.tar.gz", "require_sha256": False},
        {"source": "/x.tar.gz", "method": "archive"},  # which does not look at it
        {"method": "archive", "require_sha256": False, "digests": {}},
    ],
)
def test_settings_that_have_what_they_need_are_taken(tmp_path, options):
    assert gather(tmp_path, host(), **options)["bundle"] == []


def bundle(tmp_path, content):
    (tmp_path / "bundle.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return str(tmp_path)


def an_offer(tmp_path, **changes):
    offer = inspect_archive(str(tar(tmp_path / "x.tar.gz", release())))
    return {key: value for key, value in {**offer, "path": None, "url": None, **changes}.items() if value is not ...}


def test_a_bundle_says_what_is_in_it(tmp_path):
    offer = an_offer(tmp_path)
    folder = bundle(tmp_path, {"schema": 1, "archives": [offer]})
    assert gather(tmp_path, host(), tag="", bundle=folder)["bundle"] == [offer]
    assert gather(tmp_path, host(), tag="", bundle=folder, method="package")["bundle"] == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", ["bundle.json cannot be read"]),
        ("[]", ["must be a dictionary"]),
        ({"archives": []}, ["has no schema where schema 1 was expected"]),  # of a release before this one
        ({"schema": 2, "archives": []}, ["schema 2"]),
        ({"schema": 1}, ["has no archives"]),
        ({"schema": 1, "archives": {}}, ["archives {}"]),
        ({"schema": 1, "archives": ["x.tar.gz"]}, ["Archive 1", "'x.tar.gz'"]),
        ({"backends": ...}, ["Archive 2", "has no backends"]),
        ({"glibc": 2.38}, ["Archive 2", "glibc 2.38"]),
        ({"id": None}, ["Archive 2", "id None"]),
    ],
)
def test_a_bundle_that_is_none_is_refused(tmp_path, content, told):
    if isinstance(content, dict) and not content.keys() & {"schema", "archives"}:
        content = {"schema": 1, "archives": [an_offer(tmp_path), an_offer(tmp_path, **content)]}
    with pytest.raises(DroverError) as error:
        offers.read_bundle(bundle(tmp_path, content))
    for part in (str(tmp_path), "drover.llama.bundle", *told):
        assert part in str(error.value)


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(DroverError, match=r"llama_cpp_bundle is .*no bundle.json in that folder of the controller"):
        offers.read_bundle(str(tmp_path))
