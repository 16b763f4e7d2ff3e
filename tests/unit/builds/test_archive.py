# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive of llama.cpp holds, which hosts it is for, and what is refused."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from module_utils.builds.archive import inspect_archive, why_not
from module_utils.errors import DroverError
from unit.builds import raw_elf
from unit.builds.raw_archive import LIBC, LIBRARY, RPC_SERVER, SERVER, release, tar, zip_

ROOT = Path(__file__).parents[3]


def refuse(path, *parts, **options):
    with pytest.raises(DroverError) as error:
        inspect_archive(path, **options)
    message = str(error.value)
    assert message.startswith((str(path), "llama-b100/"))
    assert message.endswith(".")
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_a_release_is_described_as_documented(tmp_path):
    path = tar(tmp_path / "llama-b100-bin-ubuntu-x64.tar.gz", release())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    offer = inspect_archive(path, sha256=digest.upper(), url="https://example.org/x")
    assert offer == {
        "id": f"b100-{digest[:8]}",
        "label": "b100",
        "file": "llama-b100-bin-ubuntu-x64.tar.gz",
        "path": str(path),
        "url": "https://example.org/x",
        "sha256": digest,
        "size_bytes": path.stat().st_size,
        "architecture": "x86_64",
        "glibc": "2.38",
        "libstdcxx": "3.4.30",
        "libraries": ["libgomp.so.1"],
        "backends": ["CPU"],
        "root": "llama-b100",
        "programs": {"server": "llama-b100/llama-server", "rpc_server": "llama-b100/ggml-rpc-server"},
        "kind": None,
    }
    module = (ROOT / "plugins" / "modules" / "llama_cpp_archive_info.py").read_text()
    documented = yaml.safe_load(re.search(r'RETURN = r"""(.*?)"""', module, re.DOTALL)[1])["archive"]["contains"]
    assert list(documented) == list(offer)
    assert set(documented["programs"]["sample"]) == set(offer["programs"])


def test_a_name_that_was_given_is_taken(tmp_path):
    offer = inspect_archive(tar(tmp_path / "x.tar.gz", release()), label="mine", id="mine-1")
    assert (offer["label"], offer["id"]) == ("mine", "mine-1")


@pytest.mark.parametrize("name", ["0.5.0-0123abcd", "b100-unproven"])
def test_what_hosts_have_compiled_keeps_its_name(tmp_path, name):
    assert inspect_archive(str(tar(tmp_path / f"{name}.tar.gz", release())))["id"] == name


def test_the_backends_of_an_archive_are_told(tmp_path):
    library = raw_elf.elf([LIBC])
    members = release(**{"libggml-vulkan.so": library, "libggml-cpu-haswell.so": library})
    assert inspect_archive(tar(tmp_path / "x.tar.gz", members))["backends"] == ["CPU", "Vulkan"]
    # Built in, so that the program itself needs the driver's library.
    members = release(**{"llama-server": raw_elf.elf(["libcuda.so.1", LIBC])})
    assert inspect_archive(tar(tmp_path / "y.tar.gz", members))["backends"] == ["CPU", "CUDA"]


@pytest.mark.parametrize("inside", ["bin/", "build/bin/", ""])
@pytest.mark.parametrize("top", ["llama-b100/", "./", "llama-b100/./"])
def test_programs_may_lie_where_upstream_puts_them(tmp_path, top, inside):
    offer = inspect_archive(tar(tmp_path / "mine.tar.gz", release(top=top + inside, rpc_name="rpc-server")))
    root = top.split("/")[0]
    assert offer["root"] == root
    assert offer["label"] == ("mine" if root == "." else "b100")
    assert offer["programs"]["rpc_server"] == f"{root}/{inside}rpc-server"


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_kinds_of_compression(tmp_path, kind):
    assert inspect_archive(tar(tmp_path / f"x.tar.{kind}", release(), kind))["glibc"] == "2.38"


def test_zstd_needs_a_new_python(tmp_path):
    path = tmp_path / "x.tar.zst"
    if sys.version_info >= (3, 14):
        assert inspect_archive(tar(path, release(), "zst"))["glibc"] == "2.38"
    else:
        path.write_bytes(b"\x28\xb5\x2f\xfd and so on")
        refuse(path, "zstd", "from 3.14 on", ".tar.gz")


def test_a_zip_as_upstream_made_them_until_2025(tmp_path):
    path = zip_(tmp_path / "llama-b100.zip", release(top="build/bin/", rpc_name="rpc-server"))
    offer = inspect_archive(path, label="b100")
    assert offer["programs"] == {"server": "build/bin/llama-server", "rpc_server": "build/bin/rpc-server"}
    assert (offer["glibc"], offer["libraries"]) == ("2.38", ["libgomp.so.1"])


def test_hard_links_and_links_to_links_count_as_there(tmp_path):
    links = {"libgomp.so.1": "lib/gomp", "lib/gomp": "../libggml.so", "bin/llama-server": "../llama-server"}

    def edit(info):
        if info.name.endswith("lib/gomp"):
            info.type, info.linkname = tarfile.LNKTYPE, "llama-b100/libggml.so"

    offer = inspect_archive(tar(tmp_path / "x.tar.gz", release(**links), edit=edit))
    assert offer["libraries"] == []
    assert offer["programs"]["server"] == "llama-b100/bin/llama-server"


def test_an_archive_that_brings_its_own_libstdcxx_does_not_need_the_host_s(tmp_path):
    offer = inspect_archive(
        tar(tmp_path / "x.tar.gz", release(**{"libstdc++.so.6": raw_elf.elf(defines=["GLIBCXX_3"])}))
    )
    assert offer["libstdcxx"] is None


def test_static_programs_need_nothing(tmp_path):
    static = raw_elf.header(segments=0)
    members = {"top/llama-server": static, "top/ggml-rpc-server": static}
    offer = inspect_archive(tar(tmp_path / "x.tar.gz", members))
    assert (offer["glibc"], offer["libstdcxx"], offer["libraries"]) == (None, None, [])


def test_code_for_graphics_cards_is_no_other_architecture(tmp_path):
    members = release(
        **{"library/kernels.co": raw_elf.elf(machine=224), "libggml-htp.so": raw_elf.header(164, bits=32)}
    )
    assert inspect_archive(tar(tmp_path / "x.tar.gz", members))["architecture"] == "x86_64"


def test_tables_that_were_moved_behind_are_read_in_one_pass(tmp_path):
    far = raw_elf.elf(["libfar.so"], [("libc.so.6", "GLIBC_2.39")], pad=20 * 2**20)
    moved = raw_elf.elf(["libmoved.so"], [("libc.so.6", "GLIBC_2.40")], pad=20 * 2**20, tables_last=True)
    offer = inspect_archive(tar(tmp_path / "x.tar.gz", release(far=far)))
    assert (offer["glibc"], offer["libraries"]) == ("2.39", ["libfar.so", "libgomp.so.1"])
    offer = inspect_archive(tar(tmp_path / "x.tar.gz", release(moved=moved)))
    assert (offer["glibc"], offer["libraries"]) == ("2.40", ["libgomp.so.1", "libmoved.so"])


REFUSED = {
    "no server": (release(**{"llama-server": ...}), "has no llama-server in it; take a release archive"),
    "no RPC server": (release(**{"ggml-rpc-server": ...}), "no ggml-rpc-server", "Homebrew", "containers", "source"),
    "too deep": (release(top="llama-b100/a/"), "has no llama-server"),
    "a link to nothing": (release(**{"llama-server": "elsewhere"}), "has no llama-server"),
    "a link to itself": (release(**{"llama-server": "llama-server"}), "has no llama-server"),
    "macOS": (release(**{"llama-server": b"\xcf\xfa\xed\xfe" + bytes(60)}), "no program for Linux (ELF)"),
    "32 bits": (
        {"t/llama-server": raw_elf.header(40, bits=32), "t/rpc-server": raw_elf.header(40, bits=32)},
        "programs of 32 bits (t/llama-server for armv7l)",
    ),
    "two architectures": (
        release(**{"libggml.so": raw_elf.elf(machine=183)}),
        "more than one architecture (llama-b100/libggml.so for aarch64, llama-b100/llama-server for x86_64)",
    ),
    "no folder": ({"llama-server": SERVER, "ggml-rpc-server": RPC_SERVER}, "'llama-server' outside of a folder"),
    "two folders": ({"a/llama-server": SERVER, "b/ggml-rpc-server": RPC_SERVER}, "has 'b' beside 'a'"),
    "a folder that is a link": ({"a": "/etc", "a/llama-server": SERVER}, "'a' outside of a folder"),
    "empty": ({}, "has no llama-server"),
    "absolute": ({"/a/llama-server": SERVER}, "a member of the name '/a/llama-server', which a sound archive does not"),
    "upwards": (release(**{"../../etc/passwd": b"x"}), "'llama-b100/../../etc/passwd'"),
    "control characters": (release(**{"a\x1b[2J": b""}), r"'llama-b100/a\x1b[2J'"),
    "absolute link": (release(etc="/etc"), "a link from 'llama-b100/etc' to '/etc', out of its folder"),
    "link upwards": (release(up=".."), "out of its folder"),
    "link far upwards": (release(**{"a/b/up": "../../.."}), "out of its folder"),
    "link up through a link": (release(**{"a/b/s": "..", "a/b/up": "s/../.."}), "out of its folder"),
    "file behind a link": (release(d="sub", **{"d/x": b""}), "'llama-b100/d/x' behind the link 'llama-b100/d'"),
    "damaged library": (release(**{"libllama.so.0.7.0": LIBRARY[:100]}), "libllama.so.0.7.0 in ", "is damaged"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path, case):
    members, *parts = case
    refuse(tar(tmp_path / "x.tar.gz", members), *parts)


def test_links_that_stay_inside_are_sound(tmp_path):
    path = tar(tmp_path / "x.tar.gz", release(**{"a/b/up": "../..", "a/c": "./b/", "again": "a/b/up/a"}))
    assert inspect_archive(path)["glibc"] == "2.38"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path, kind):
    def edit(info):
        if info.name.endswith("LICENSE"):
            info.type, info.size = kind, 0

    refuse(tar(tmp_path / "x.tar.gz", release(LICENSE=b""), edit=edit), "holds the device 'llama-b100/LICENSE'")


def test_programs_that_may_not_be_executed_are_refused(tmp_path):
    def edit(info):
        info.mode = 0o644

    refuse(tar(tmp_path / "x.tar.gz", release(), edit=edit), "llama-server that may not be executed")


def test_a_wrong_sha256_names_both(tmp_path):
    path = tar(tmp_path / "x.tar.gz", release())
    refuse(path, hashlib.sha256(path.read_bytes()).hexdigest(), "ab" * 32, sha256="ab" * 32)


def test_files_that_are_no_archives(tmp_path):
    (tmp_path / "page.tar.gz").write_text("<html>Not found</html>")
    refuse(tmp_path / "page.tar.gz", "is no archive (.tar.gz, .tar.xz, .tar.zst or .zip)")
    (tmp_path / "empty.tar.gz").write_bytes(b"")
    refuse(tmp_path / "empty.tar.gz", "is no archive")
    refuse(tmp_path / "gone.tar.gz", "cannot be read (No such file or directory)")
    refuse(tmp_path, "cannot be read (Is a directory)")


def test_a_file_that_may_not_be_read(tmp_path):
    path = tar(tmp_path / "x.tar.gz", release())
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(DroverError, match="cannot be read \\(Permission denied\\)"):
            inspect_archive(path)
    finally:
        os.seteuid(user)


def host(**changes):
    debian = {"id": "debian", "version": "12", "codename": "bookworm", "like": [], "name": "Debian GNU/Linux 12"}
    return {
        "architecture": "x86_64",
        "system": "linux",
        "distribution": debian,
        "glibc": "2.36",
        "libstdcxx": "3.4.30",
        **changes,
    }


FORKY = {"id": "debian", "version": "", "codename": "forky", "like": [], "name": "Debian GNU/Linux forky/sid"}
ALPINE = {"id": "alpine", "version": "3.22", "codename": "", "like": [], "name": "Alpine Linux"}
REASONS = {
    "it runs": ({}, {}, None),
    "just so": ({"glibc": "2.36", "libstdcxx": "3.4.30"}, {}, None),
    "needs nothing": ({"glibc": None, "libstdcxx": None}, {"glibc": None, "libstdcxx": None}, None),
    "architecture": (
        {"architecture": "aarch64"},
        {},
        "the archive of b100 is for aarch64, and this host runs programs for x86_64: offer an archive for x86_64, "
        "or take method source.",
    ),
    "glibc": (
        {"glibc": "2.38"},
        {},
        "the archive of b100 needs glibc 2.38, and this host has 2.36 (Debian 12): take method source, or an archive "
        "built on Debian 12 or older.",
    ),
    "glibc by number": ({"glibc": "2.4"}, {}, None),
    "glibc of testing": (
        {"glibc": "2.50"},
        {"glibc": "2.43", "distribution": FORKY},
        "the archive of b100 needs glibc 2.50, and this host has 2.43 (Debian forky): take method source, or an "
        "archive built on Debian forky or older.",
    ),
    "another C library": (
        {},
        {"glibc": None, "distribution": ALPINE},
        "the archive of b100 needs glibc 2.34, and this host (Alpine 3.22) has another C library: take method source.",
    ),
    "libstdc++": (
        {"libstdcxx": "3.4.32"},
        {},
        "the archive of b100 needs libstdc++ 3.4.32, and this host has 3.4.30 (Debian 12): take method source, or an "
        "archive built on Debian 12 or older.",
    ),
    "libstdc++ by number": ({"libstdcxx": "3.4.9"}, {}, None),
    "no libstdc++": (
        {},
        {"libstdcxx": None},
        "the archive of b100 needs libstdc++ 3.4.29, and this host (Debian 12) has none: install it (on Debian and "
        "Ubuntu it is the package libstdc++6), or take method source.",
    ),
    "macOS": (
        {},
        {"system": "darwin"},
        "the archive of b100 is for Linux, and this host runs darwin: install llama-server and ggml-rpc-server on it "
        "yourself, anywhere on PATH, and take method package.",
    ),
}


@pytest.mark.parametrize(("offer", "platform", "expected"), REASONS.values(), ids=REASONS)
def test_why_not(offer, platform, expected):
    offer = {"label": "b100", "architecture": "x86_64", "glibc": "2.34", "libstdcxx": "3.4.29", **offer}
    assert why_not(offer, host(**platform)) == expected
