# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has that runs containers, and other hosts have not, whoever makes a node of Kubernetes of it."""

from __future__ import annotations

from pathlib import Path

from .. import state
from ..limits import Group

# The host's path of what lies on a disk of the machine's: what containers are layered on cannot be an overlay.
DISK = "/var/lib/rancher"

# nspawn shows a host control groups that it cannot divide, and settings of the kernel that it cannot change. The
# machine's own stay as they are: kubelet is satisfied when it reads the values that it wants.
_PREPARE = """\
#!/bin/sh -e
while read -r _ where kind _; do
    [ "$kind" != cgroup ] || mount -o remount,bind,rw "$where"
done < /proc/self/mounts
mount --make-rshared /
mkdir -p /run/lab
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
    file="/run/lab/${setting##*/}"
    echo "${setting#*=}" > "${file%=*}"
    mount --bind "${file%=*}" "/proc/sys/${setting%=*}"
done
"""
_PREPARE_UNIT = """\
[Unit]
Description=Let this host run containers
DefaultDependencies=no
Before=sysinit.target
After=lab-limits.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab-node
"""
_SYSCTL = """\
net.ipv4.ip_forward = 1
-net.bridge.bridge-nf-call-iptables = 1
"""


def lay_out(folder: Path, layer: Path) -> None:
    """Fill the host's own layer over its image; ``folder`` is the host's on the machine."""
    (folder / "containers").mkdir()
    state.write(layer / "usr/local/lib/lab-node", _PREPARE, 0o755)
    write_unit(layer, "lab-node.service", _PREPARE_UNIT, "sysinit.target")
    state.write(layer / "etc/sysctl.d/60-lab.conf", _SYSCTL)


def without_engine(layer: Path) -> None:
    """Leave to whoever brings one which containerd runs here: Debian's own does not."""
    link(layer / "etc/systemd/system/containerd.service", "/dev/null")


def start_command(folder: Path, group: Group, command: list, disk: str = DISK) -> list:
    """The command that boots the host, from the one that boots any host."""
    version_1 = group.layout.version == 1
    return [
        "env",
        f"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY={0 if version_1 else 1}",
        *command,
        "--capability=CAP_SYSLOG",
        "--system-call-filter=@keyring",
        "--bind=/dev/kmsg",
        f"--bind={folder / 'containers'}:{disk}",
        # Words for the host's systemd: what a node divides is divided on the machine as well.
        *(("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1") if version_1 else ()),
    ]


def write_unit(layer: Path, name: str, text: str, target: str) -> None:
    """Put a unit on the host that is started with a target."""
    units = layer / "etc/systemd/system"
    state.write(units / name, text)
    link(units / f"{target}.wants" / name, f"/etc/systemd/system/{name}")


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
