# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test ``drover.llama.private_address``, for roles that refuse to listen where the Internet can reach."""

from __future__ import annotations

from ansible_collections.drover.llama.plugins.module_utils.hosts.address import is_private


class TestModule:
    """Offers the test under its name."""

    def tests(self):
        """Return the tests of this plugin by name."""
        return {"private_address": is_private}
