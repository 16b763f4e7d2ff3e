# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a secret can be read by those who are not to know it: on a host, and in what a run has printed."""

from __future__ import annotations

import base64

from cluster import host

# Where programs of Drover's, Ansible and the tests leave files.
FOLDERS = "/etc/drover /etc/ansible /var/lib/drover /run /tmp /var/tmp"


def told_on(name: str, secret: str, folders: str = FOLDERS, unlike: str = "") -> list[str]:
    """Where on the host the secret can be read: arguments of processes, lines of the journal, and files in ``folders``
    that all may read, but for those that ``unlike`` tells ``find`` to pass over."""
    # Not the secret itself, or this very search would be found.
    wanted = f"[{secret[0]}]{secret[1:]}"
    searches = (
        f"grep -ls '{wanted}' /proc/[0-9]*/cmdline",
        f"journalctl --no-pager --quiet | grep '{wanted}'",
        f"find {folders} -xdev -type f -perm /o=r {unlike} -exec grep -ls '{wanted}' {{}} +",
    )
    return [line for search in searches for line in host(name).run(search).stdout.splitlines()]


def told_in(text: str, secrets: list[str]) -> list[str]:
    """Those of the secrets that are in the text, as they are or as Ansible and Kubernetes write what is in a file."""
    return [secret for secret in secrets if secret in text or _encoded(secret) in text]


def _encoded(secret: str) -> str:
    return base64.b64encode(f"{secret}\n".encode()).decode()
