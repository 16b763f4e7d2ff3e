# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks every server of a cluster once a second whether it is up, and to take a write."""

from __future__ import annotations

import base64

from cluster import host
from k3s_cluster import kubectl

_FOLDER = "/run/watch"
_UNIT = "watching"
# A line a second: the time, whether the API answers at all, and the status with which it took a write.
_SCRIPT = r"""
umask 077
cd /run/watch
for part in certificate-authority:clusters:cluster client-certificate:users:user client-key:users:user; do
    IFS=: read -r name list kind <<< "$part"
    k3s kubectl config view --raw --output="jsonpath={.$list[0].$kind.$name-data}" | base64 --decode > "$name"
done
ask() {
    curl --silent --max-time 3 --output /dev/null --write-out '%{http_code}' --cacert certificate-authority \
        --cert client-certificate --key client-key "$@"
}
while sleep 1; do
    now=$(date +%s)
    up=$(ask https://127.0.0.1:6443/livez/ping)
    took=$(ask --request PATCH --header 'Content-Type: application/merge-patch+json' \
        --data "{\"data\": {\"at\": \"$now\"}}" https://127.0.0.1:6443/api/v1/namespaces/default/configmaps/watched)
    echo "$now $up $took"
done
"""


class Watch:
    """While it is entered, the servers are asked; then it tells what they answered."""

    def __init__(self, servers: list[str]) -> None:
        self.servers = servers
        self.up: dict[str, set[int]] = {}
        self.wrote: set[int] = set()

    def __enter__(self) -> Watch:
        kubectl("create configmap watched", server=self.servers[0])
        script = base64.b64encode(_SCRIPT.encode()).decode()
        for name in self.servers:
            host(name).check_output(f"mkdir -m 0700 {_FOLDER} && echo {script} | base64 --decode > {_FOLDER}/script")
            host(name).check_output(f"systemd-run --quiet --unit={_UNIT} bash {_FOLDER}/script")
        return self

    def __exit__(self, *_error: object) -> None:
        for name in self.servers:
            host(name).check_output(f"systemctl stop {_UNIT}")
            said = host(name).check_output(f"journalctl --unit={_UNIT} --output=cat --no-pager")
            rows = [line.split() for line in said.splitlines() if line[:1].isdigit()]
            assert len(rows) > 20, said
            self.up[name] = {int(now) for now, up, _took in rows if up == "200"}
            self.wrote |= {int(now) for now, _up, took in rows if took == "200"}
            host(name).check_output(f"rm -r {_FOLDER}")

    def most_down(self) -> int:
        """How many servers did not answer at the same time. A look takes a second or more, so one answer stands for the
        seconds beside it, too."""
        first, last = max(map(min, self.up.values())), min(map(max, self.up.values()))
        return max(
            sum(not seen & set(range(second - 3, second + 4)) for seen in self.up.values())
            for second in range(first, last + 1)
        )

    def longest_without_a_write(self) -> int:
        """The most seconds between two writes that some server took."""
        times = sorted(self.wrote)
        return max(later - earlier for earlier, later in zip(times, times[1:]))
