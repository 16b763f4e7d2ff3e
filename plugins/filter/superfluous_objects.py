# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.drover.llama.plugins.module_utils.kubernetes.manifests import identity, superfluous


def superfluous_objects(present, wanted):
    """Of Kubernetes' objects, kind and name of those that are not wanted, in the order in which they are taken off."""
    return [identity(each) for each in superfluous(present, wanted)]


class FilterModule:
    def filters(self):
        return {"superfluous_objects": superfluous_objects}
