# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a build is made of, and whether a process still runs them: with a program and a library that run here."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from module_utils.builds.prints import HEAD_BYTES, file_print, find_prints, is_at, is_replaced
from module_utils.hosts.tree import Tree


@pytest.fixture
def build(tmp_path):
    """A program, with a library of ggml's in the folder where source builds have it."""
    for folder in ("bin", "lib"):
        (tmp_path / folder).mkdir()
    shutil.copy("/bin/sleep", tmp_path / "bin/rpc-server")
    # Any that can be loaded.
    shutil.copy(library(), tmp_path / "lib/libggml-base.so.0.9")
    (tmp_path / "lib/libggml-base.so").symlink_to("libggml-base.so.0.9")
    (tmp_path / "lib/libggml-cpu.so").write_text("one of several, which a machine may load or not")
    return tmp_path


def library():
    """One of those that this process has loaded."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        paths = [line.split()[-1] for line in file if ".so" in line]
    return next(path for path in paths if os.path.basename(path).startswith("libz.so") or "libm" in path)


@pytest.fixture
def run(build):
    """Start the program of the build with the library, and tell its id."""
    started = []

    def start(program="rpc-server"):
        environment = {"LD_PRELOAD": str(build / "lib/libggml-base.so")}
        started.append(subprocess.Popen([str(build / "bin" / program), "60"], env=environment))
        pid = started[-1].pid
        while "libggml-base" not in (Tree().text(f"/proc/{pid}/maps") or ""):
            assert started[-1].poll() is None
        return pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def prints(build):
    return find_prints([None, str(build / "bin/rpc-server")], [])


def replace(path, content):
    """As a package manager does."""
    new = path.with_name("new")
    shutil.copy(path, new)
    new.write_bytes(content)
    new.rename(path)


def test_the_programs_and_the_libraries_that_each_has(build):
    assert prints(build).keys() == {str(build / "bin/rpc-server"), str(build / "lib/libggml-base.so.0.9")}
    assert find_prints([None], []) == {}
    elsewhere = find_prints([], [str(build / "l*")])
    assert elsewhere == {path: known for path, known in prints(build).items() if "libggml" in path}


def test_another_size_or_another_beginning_is_another_print(tmp_path):
    texts = [b"", b"a", b"b", b"a" * HEAD_BYTES, b"a" * (HEAD_BYTES + 1)]
    found = set()
    for text in texts:
        (tmp_path / "file").write_bytes(text)
        found.add(file_print(str(tmp_path / "file")))
    assert len(found) == len(texts)
    assert file_print(str(tmp_path / "nothing")) is None


def test_a_process_that_runs_what_was_found_is_the_same(build, run):
    assert is_replaced(Tree(), run(), prints(build)) is False
    assert is_replaced(Tree(), run(), {}) is False


@pytest.mark.parametrize("name", ["bin/rpc-server", "lib/libggml-base.so.0.9"])
def test_a_process_that_was_started_after_its_file_was_replaced_is_another(build, run, name):
    known = prints(build)
    before = run()
    replace(build / name, (build / name).read_bytes() + b"another")
    assert is_replaced(Tree(), run(), known)
    # One that was started before still runs what it was.
    assert is_replaced(Tree(), before, known) is False
    assert is_replaced(Tree(), run(), prints(build)) is False


def test_what_is_not_known_is_none_of_it(build, run):
    known = prints(build)
    shutil.copy(build / "bin/rpc-server", build / "bin/wrapped")
    assert is_replaced(Tree(), run("wrapped"), known) is False
    assert is_replaced(Tree(), 2**22 + 1, known) is False


def test_a_program_that_is_at_its_place_or_is_not(build):
    known, program = prints(build), build / "bin/rpc-server"
    assert is_at(str(program), known) and is_at(None, known) and is_at(str(build / "other"), known)
    replace(program, b"another")
    assert not is_at(str(program), known)
    program.unlink()
    assert is_at(str(program), known)
