# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that are asked for, and taints that keep pods away."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.selectors import matches, selector_text, untolerated

GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
CONTROL = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
DYING = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}
DEAR = {"key": "spot", "value": "true", "effect": "PreferNoSchedule"}


@pytest.mark.parametrize(
    ("labels", "wanted", "result"),
    [
        ({"a": "1", "b": "2"}, {"a": "1"}, True),
        ({"a": "1"}, {}, True),
        (None, {}, True),
        ({"a": "1"}, {"a": "2"}, False),
        ({"a": "1"}, {"a": "1", "b": ""}, False),
        (None, {"a": "1"}, False),
    ],
)
def test_labels(labels, wanted, result):
    assert matches(labels, wanted) is result


def test_how_the_api_is_asked():
    assert selector_text({"b": "2", "a": "1"}) == "a=1,b=2"


@pytest.mark.parametrize(
    ("taints", "tolerations", "named"),
    [
        (None, [], None),
        ([DEAR], [], None),
        ([GPU], [], "gpu=yes:NoSchedule"),
        ([CONTROL], [], "node-role.kubernetes.io/control-plane:NoSchedule"),
        ([GPU], [{"key": "gpu", "operator": "Exists"}], None),
        ([GPU], [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}], None),
        ([GPU], [{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}], "gpu=yes:NoSchedule"),
        ([GPU], [{"key": "gpu", "value": "yes"}], None),
        ([GPU], [{"key": "gpu", "operator": "Equal", "value": "no"}], "gpu=yes:NoSchedule"),
        ([CONTROL], [{"key": CONTROL["key"]}], None),
        ([CONTROL], [{"key": CONTROL["key"], "value": "x"}], "node-role.kubernetes.io/control-plane:NoSchedule"),
        ([GPU, CONTROL], [{"operator": "Exists"}], None),
        ([GPU], [{"value": "yes"}], "gpu=yes:NoSchedule"),
        ([GPU, DYING], [{"operator": "Exists", "effect": "NoSchedule"}], "node.kubernetes.io/not-ready:NoExecute"),
    ],
)
def test_taints(taints, tolerations, named):
    assert untolerated(taints, tolerations) == named
