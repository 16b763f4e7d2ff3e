# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.drover.llama.plugins.module_utils.serving.platform import platform_of


class FilterModule:
    def filters(self):
        return {"platform": platform_of}
