# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's secret: what is none is refused in one sentence that does not tell it, and known by a digest."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.runtime.secret import read_secret, secret_digest
from module_utils.serving.cluster import Cluster

SECRET = "k" * 48


class Here(Cluster):
    """A cluster whose secret is the file that a test writes."""

    secret_path = ""


@pytest.fixture
def cluster(tmp_path):
    found = Here("main")
    Here.secret_path = str(tmp_path / "secret")
    return found


@pytest.mark.parametrize("content", [None, "", "\n", "short\n", "k" * 31], ids=["none", "0", "1", "6", "31"])
def test_what_is_no_secret(cluster, content):
    if content is not None:
        with open(cluster.secret_path, "w", encoding="utf-8") as file:
            file.write(content)
    with pytest.raises(DroverError, match=r"run site\.yml again") as refused:
        read_secret(cluster)
    assert "short" not in str(refused.value)
    assert secret_digest(cluster) is None


def test_a_secret_is_known_by_its_digest(cluster):
    digests = set()
    for content in (SECRET, f"{SECRET}\n", f"{SECRET[:-1]}x"):
        with open(cluster.secret_path, "w", encoding="utf-8") as file:
            file.write(content)
        digests.add(secret_digest(cluster))
    assert len(digests) == 2
    assert all(len(digest) == 64 and SECRET not in digest for digest in digests)
