# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario have in common."""

from __future__ import annotations

import base64

import pytest
from cluster import Api, address
from kubernetes_cluster import found, kubectl
from lab.kubernetes import images


@pytest.fixture
def stranger():
    """A pod of somebody else: gives a function that tells whether it gets through to an address and a port."""
    name = "stranger"
    made = kubectl(
        *("run", name, "--namespace=default", f"--image={images.TOOLS}", "--image-pull-policy=Never"),
        *("--restart=Never", "--command", "--", "sleep", "600"),
    )
    assert made.returncode == 0, made.stderr
    waited = kubectl("wait", "--namespace=default", f"pod/{name}", "--for=condition=Ready", "--timeout=120s")
    assert waited.returncode == 0, waited.stderr
    yield (
        lambda address, port: (
            kubectl(
                *("exec", "--namespace=default", name, "--"), *("nc", "-w", "5", address, str(port), "-e", "true")
            ).returncode
            == 0
        )
    )
    kubectl("delete", "--namespace=default", f"pod/{name}", "--grace-period=0", "--force")


@pytest.fixture
def api():
    port = found("service", "drover-main-api")["spec"]["ports"][0]["nodePort"]
    key = base64.b64decode(found("secret", "drover-main-api")["data"]["api_key"]).decode().strip()
    return Api(f"http://{address('kube-1')}:{port}", key)
