# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine's first file system: loads the drivers of its disks and goes on to the root file system on them."""

from __future__ import annotations

import lzma
import stat
from pathlib import Path

MODULES = ("virtio_pci", "virtio_blk", "ext4", "overlay")

SCRIPT = """\
#!/busybox sh
/busybox mount -t devtmpfs devtmpfs /dev
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
for module in /modules/*; do /busybox insmod "$module"; done
# The image is everybody's and is not written to; what this machine writes is on a disk of its own.
/busybox mount -t ext4 -o ro "$(/busybox findfs LABEL=lab-base)" /base
/busybox mount -t ext4 "$(/busybox findfs LABEL=lab-layer)" /layer
/busybox mount -t overlay -o lowerdir=/base,upperdir=/layer/upper,workdir=/layer/work overlay /root
/busybox umount /sys /proc
exec /busybox switch_root /root /sbin/init
"""


def write(root: Path, target: Path) -> None:
    """Make it from the kernel's modules and the busybox in a root file system."""
    folder = next((root / "usr/lib/modules").iterdir())
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in ("dev", "proc", "sys", "base", "layer", "root", "modules")]
    entries.append(("busybox", stat.S_IFREG | 0o755, (root / "usr/bin/busybox").read_bytes()))
    entries.append(("init", stat.S_IFREG | 0o755, SCRIPT.encode()))
    for number, path in enumerate(load_order((folder / "modules.dep").read_text(), MODULES)):
        content = (folder / path).read_bytes()
        entries.append(
            (
                f"modules/{number:02}.ko",
                stat.S_IFREG | 0o644,
                lzma.decompress(content) if path.endswith(".xz") else content,
            )
        )
    target.write_bytes(archive(entries))


def load_order(dependencies: str, wanted: tuple) -> list:
    """Paths of the modules and of all that they need, what is needed first; those built into the kernel have none.

    ``dependencies`` is the text of modules.dep: each line names a module and what must be loaded before, last first.
    """
    lines = [line.partition(":") for line in dependencies.splitlines()]
    known = {Path(path).name.partition(".")[0].replace("-", "_"): (path, needs.split()) for path, _, needs in lines}
    order = []
    for name in wanted:
        path, needs = known.get(name, (None, []))
        order += [one for one in (*reversed(needs), path) if one and one not in order]
    return order


def archive(entries: list) -> bytes:
    """A cpio archive, as the kernel unpacks it, of (name, mode, content). Source: Linux
    Documentation/driver-api/early-userspace/buffer-format.rst (newc).
    """
    parts = []
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        parts += [_padded(header + path), _padded(content)]
    return b"".join(parts)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
