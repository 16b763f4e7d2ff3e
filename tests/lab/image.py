# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems: made once with mmdebstrap, kept unpacked, and used by many hosts as their lower layer."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import kept, state
from .command import run

BASE_PACKAGES = (
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "libpam-systemd",  # or all that runs over SSH would be part of ssh.service, and share its fate
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# Package lists of a moving suite soon name packages that its mirror no longer has.
MAX_AGE_SECONDS = 7 * 24 * 3600

FOLDER = "images"  # of the cache

_LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")

_LIMITS_UNIT = """\
[Unit]
Description=Show this host's own memory and processors in /proc
DefaultDependencies=no
Before=sysinit.target
ConditionPathExists=/var/lib/lxcfs/proc/meminfo

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/mount --bind /var/lib/lxcfs/proc/meminfo /proc/meminfo
ExecStart=/usr/bin/mount --bind /var/lib/lab/cpuinfo /proc/cpuinfo

[Install]
WantedBy=sysinit.target
"""

# Run by mmdebstrap with the root file system as $1.
_HOOKS = (
    # apt's own timers would take apt's lock at times that no test expects.
    'chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer',
    'chroot "$1" systemctl enable systemd-networkd.service ssh.service lab-limits.service',
    'rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/machine-id',
)


@dataclass(frozen=True)
class Recipe:
    """All that a root file system is made from."""

    suite: str
    architecture: str
    packages: tuple
    mirror: str | None
    apt_options: tuple
    certificates: str  # digest of the machine's own certificate authorities, which the hosts must trust too

    # When mmdebstrap calls the hooks: after all packages are installed.
    STAGE = "customize"
    COPY_CERTIFICATES = (
        f'mkdir -p "$1"{_LOCAL_CERTIFICATES} && cp -r {_LOCAL_CERTIFICATES}/. "$1"{_LOCAL_CERTIFICATES}/'
    )

    @property
    def key(self) -> str:
        """Changes when anything changes that the result depends on."""
        text = json.dumps(self.made_from())
        return f"{self.suite}-{self.architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def made_from(self) -> list:
        own = [self.packages, self.mirror, self.apt_options, self.certificates]
        return [*own, BASE_PACKAGES, _HOOKS, _LIMITS_UNIT]

    def command(self, target: Path) -> list:
        """The mmdebstrap command that makes the root file system in an empty directory."""
        hooks = [*self.hooks(), _write_hook("/etc/systemd/system/lab-limits.service", _LIMITS_UNIT), *_HOOKS]
        return [
            "mmdebstrap",
            "--quiet",
            *self.variant(),
            "--format=directory",
            "--mode=root",
            f"--architectures={self.architecture}",
            # A host that has just booted knows what it could install, as a real one does: check mode relies on it.
            "--skip=cleanup/apt/lists",
            *(f"--aptopt={option}" for option in self.apt_options),
            *(f"--{self.STAGE}-hook={hook}" for hook in hooks),
            self.suite,
            target,
            *([self.mirror] if self.mirror else []),
        ]

    def variant(self) -> list:
        """Which packages are installed, and how."""
        return ["--variant=minbase", f"--include={','.join(sorted({*BASE_PACKAGES, *self.packages}))}"]

    def hooks(self) -> list:
        """What is done once all packages are there."""
        return [f'{self.COPY_CERTIFICATES} && chroot "$1" update-ca-certificates'] if self.certificates else []

    def prepare(self) -> None:
        """What the machine needs before the image can be made: nothing."""

    def finish(self, partial: Path, run_in_group) -> None:
        """What is to be done once the root file system is there: nothing, a container runs on it as it is."""


def _write_hook(path: str, text: str) -> str:
    return f"cat > \"$1\"{path} <<'END'\n{text}END"


def recipe(suite: str, architecture: str, packages: tuple, kind: type = Recipe) -> Recipe:
    """A recipe of that kind on this machine, with its own mirror, apt proxy and certificates."""
    # A mirror may be a frozen snapshot whose lists have run out.
    options = ['Acquire::Check-Valid-Until "false"']
    for line in run("apt-config", "dump").splitlines():
        if re.fullmatch(r'Acquire::https?::Proxy ".+";', line):
            options.append(line.rstrip(";"))
    digest = hashlib.sha256()
    certificates = sorted(_LOCAL_CERTIFICATES.rglob("*.crt"))
    for certificate in certificates:
        digest.update(certificate.read_bytes())
    return kind(
        suite=suite,
        architecture=architecture,
        packages=tuple(packages),
        mirror=debian_mirror(run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")),
        apt_options=tuple(options),
        certificates=digest.hexdigest() if certificates else "",
    )


def debian_mirror(repositories: str) -> str | None:
    """The Debian mirror among the machine's apt repositories (one address a line), or None."""
    for address in repositories.split():
        if re.search(r"/debian(/|$)", address):
            return address.rstrip("/")
    return None


def ensure(lab: str, wanted: Recipe, say) -> Path:
    """The directory of a recipe's image; made when it is missing, or too old and not in use."""

    def make(place: kept.Workplace) -> None:
        wanted.prepare()
        (place.directory / "root").mkdir()
        place.run(wanted.command(place.directory / "root"))
        wanted.finish(place.directory, place.run)
        kept.remove_unused(FOLDER, in_use(), MAX_AGE_SECONDS)

    def still_good(image: Path) -> bool:
        return kept.age_of(image) <= MAX_AGE_SECONDS or image.name in in_use()

    return kept.ensure(lab, FOLDER, wanted.key, make, say, "the root file system", still_good)


def in_use() -> set:
    """Keys of the images that some lab's hosts stand on."""
    keys = set()
    for path in state.STATE.glob("[a-z]*/hosts/*/fingerprint.json"):
        with suppress(FileNotFoundError):  # its lab is just going down
            keys.add(json.loads(path.read_text())["image"])
    return keys
