# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

from ansible_collections.drover.llama.plugins.module_utils.k3s.status import told


def k3s_status(nodes, certificates):
    return told(nodes, certificates, datetime.now(timezone.utc))


class FilterModule:
    def filters(self):
        return {"k3s_status": k3s_status}
