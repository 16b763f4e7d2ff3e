# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that has exactly what the role installs is known by one digest; anything else is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.tree import Tree
from module_utils.runtime.archive import cache_archive
from module_utils.runtime.installed import FILES, LINKS, RUNTIME, expected_digest, installed_digest
from module_utils.serving.cluster import Cluster

ROOT = Path(__file__).resolve().parents[3]
MAIN = Cluster("main")


@pytest.fixture
def expected(tmp_path):
    archive, _version = cache_archive(str(ROOT), str(tmp_path / "cache"))
    return archive, expected_digest(archive, str(ROOT))


@pytest.fixture
def host(tmp_path, expected):
    """A machine on which the role has done its work."""
    root = tmp_path / "host"
    for source, path in [
        (expected[0], RUNTIME),
        *((ROOT / "roles/host/files" / name, path) for name, path in FILES.items()),
    ]:
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / path[1:])
    for link in LINKS:
        (root / link[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / link[1:]).symlink_to("/bin/sh")
    (root / MAIN.folder[1:]).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ndrover:x:990:990::/var/lib/drover:/usr/sbin/nologin\n")
    return root


def test_a_host_with_all_of_it_has_the_digest_of_this_version(host, expected):
    assert installed_digest(Tree(str(host)), MAIN) == expected[1]


def test_another_cluster_has_no_folder_yet(host):
    assert installed_digest(Tree(str(host)), Cluster("coder")) is None


@pytest.mark.parametrize("path", [RUNTIME, *FILES.values()])
def test_a_file_that_was_changed_or_removed_is_seen(host, expected, path):
    file = host / path[1:]
    file.write_bytes(file.read_bytes() + b"#")
    assert installed_digest(Tree(str(host)), MAIN) not in (None, expected[1])
    file.unlink()
    assert installed_digest(Tree(str(host)), MAIN) is None


@pytest.mark.parametrize("link", LINKS)
def test_a_link_to_nothing_counts_as_none(host, link):
    (host / link[1:]).unlink()
    (host / link[1:]).symlink_to("/no/such/python")
    assert installed_digest(Tree(str(host)), MAIN) is None


def test_without_the_user_nothing_runs(host):
    (host / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    assert installed_digest(Tree(str(host)), MAIN) is None


def test_a_folder_that_is_no_collection_is_refused(tmp_path, expected):
    with pytest.raises(DroverError, match="lacks files of its role host: install the collection again"):
        expected_digest(expected[0], str(tmp_path))
