# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a cluster, and what is named after it on a host."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import DroverError

CLUSTERS_FOLDER = "/etc/drover"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class Cluster:
    """A cluster by its name. Raises ``DroverError`` for what cannot be one."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise DroverError(
                f"The cluster's name is {self.name!r} but must be up to 31 small letters, digits and dashes that begin "
                "with a letter: set drover_cluster."
            )

    @property
    def folder(self) -> str:
        return f"{CLUSTERS_FOLDER}/{self.name}"

    @property
    def deployment_path(self) -> str:
        return f"{self.folder}/deployment.json"

    @property
    def plan_path(self) -> str:
        return f"{self.folder}/plan.json"

    @property
    def api_key_path(self) -> str:
        return f"{self.folder}/api_key"

    @property
    def rpc_unit(self) -> str:
        return f"drover-rpc@{self.name}.service"

    @property
    def server_unit(self) -> str:
        return f"drover-server@{self.name}.service"

    @property
    def table(self) -> str:
        return f"drover-{self.name}"
