# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding llama.cpp's programs, with programs that run, do not run, and do not end."""

from __future__ import annotations

import os
import sys

import pytest
from module_utils.builds import ask, find
from module_utils.builds.prints import file_print

NEW = "version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU 16.2.0 for Linux x86_64\n"
OLD = "version: 6789 (abcdef12)\nbuilt with cc (Debian 12.2.0-14) 12.2.0 for x86_64-linux-gnu\n"
# As Debian's, it says on standard error what it loads, then what it takes.
RPC_SERVER = f"""#!{sys.executable}
import os, socket, struct, sys
with open(os.path.join(os.path.dirname(__file__), "rpc-asked"), "a") as asked:
    print(*sys.argv[1:], file=asked)
if "--help" in sys.argv:
    sys.exit("load_backend: loaded CPU backend from x.so\\n  -c, --cache    enable\\n  -t, --threads N    how many")
port = int(sys.argv[sys.argv.index("--port") + 1])
open(os.path.join(os.path.dirname(__file__), "pid"), "w").write(str(os.getpid()))
print("load_backend: loaded RPC backend from /usr/lib/ggml/libggml-rpc.so")
print("load_backend: loaded CPU backend from /usr/lib/ggml/libggml-cpu-haswell.so", flush=True)
server = socket.create_server(("127.0.0.1", port))
while True:
    connection, _peer = server.accept()
    connection.recv(33, socket.MSG_WAITALL)
    connection.sendall(struct.pack("<Q", 28) + bytes([8, 0, 1]) + bytes(25))
    connection.recv(9, socket.MSG_WAITALL)
    connection.sendall(struct.pack("<QI", 4, 0))
    connection.close()
"""


SERVER = f"""#!/bin/sh
echo "$1" >> "$(dirname "$0")/asked"
case "$1" in
--version) cat >&2 <<'END'
{NEW}END
;;
--help) printf '%s\\n' '-fit,  --fit [on|off]      whether' '--rpc SERVERS      see --device' ;;
--list-devices) printf '%s\\n' 'Available devices:' '  Vulkan0: A card (8192 MiB, 8000 MiB free)' ;;
esac
"""


def put(path, text, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def printing(text, code=0):
    return f"#!/bin/sh\ncat <<'END'\n{text.rstrip()}\nEND\nexit {code}\n"


def found(prefix=None, search_path="", may_write=False, **options):
    nowhere = {"folders": (), "packaged": (), "libraries": (), **options}
    return find.find_llama_cpp(prefix=prefix, search_path=search_path, may_write=may_write, **nowhere)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_is_installed(tmp_path):
    assert found(search_path=str(tmp_path)) == {
        "found": False,
        "server": None,
        "rpc_server": None,
        "version": None,
        "build": None,
        "commit": None,
        "rpc_protocol": None,
        "backends": [],
        "devices": [],
        "server_flags": [],
        "rpc_server_flags": [],
        "problem": None,
        "builds": [],
        "current": None,
        "build_backends": {},
        "build_devices": {},
        "package_backends": ["CPU"],
        "prints": {},
    }


@pytest.mark.parametrize("name", ["ggml-rpc-server", "rpc-server"])
def test_both_programs_are_found_and_asked(tmp_path, name):
    server = put(tmp_path / "llama-server", SERVER)
    rpc_server = put(tmp_path / name, RPC_SERVER)
    assert found(search_path=str(tmp_path)) == {
        "found": True,
        "server": server,
        "rpc_server": rpc_server,
        "version": "0.7.0",
        "build": 11669,
        "commit": "Debian",
        "rpc_protocol": "8.0.1",
        "backends": ["RPC", "CPU"],
        "devices": [],
        "server_flags": ["--fit", "--rpc"],
        "rpc_server_flags": ["--cache", "--threads"],
        "problem": None,
        "builds": [],
        "current": None,
        "build_backends": {},
        "build_devices": {},
        "package_backends": ["CPU"],
        "prints": {path: file_print(path) for path in (server, rpc_server)},
    }
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_the_rpc_server_is_not_started_unless_asked_for(tmp_path):
    put(tmp_path / "llama-server", printing(NEW))
    put(tmp_path / "ggml-rpc-server", RPC_SERVER)
    assert found(search_path=str(tmp_path), probe_rpc=False)["rpc_protocol"] is None
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("inside", ["", "bin", "build/bin"])
def test_the_prefix_comes_before_path(tmp_path, inside):
    put(tmp_path / "path" / "llama-server", printing(OLD))
    wanted = put(tmp_path / "prefix" / inside / "llama-server", printing(NEW))
    answer = found(prefix=str(tmp_path / "prefix"), search_path=str(tmp_path / "path"))
    assert (answer["server"], answer["found"]) == (wanted, False)


def test_a_folder_of_a_distribution_is_found_by_its_pattern(tmp_path):
    wanted = put(tmp_path / "aarch64-linux-gnu" / "llama" / "bin" / "rpc-server", RPC_SERVER)
    answer = find.find_llama_cpp(search_path="", folders=(str(tmp_path / "*/llama/bin"),), probe_rpc=False)
    assert answer["rpc_server"] == wanted


def test_what_cannot_be_executed_is_passed_over(tmp_path):
    put(tmp_path / "llama-server", printing(NEW), mode=0o644)
    (tmp_path / "ggml-rpc-server").mkdir()
    answer = found(search_path=str(tmp_path))
    assert (answer["server"], answer["rpc_server"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x7fELF of another machine", "is no program for this machine"),
        ("#!/no/such/loader\n", "needs a loader that this machine does not have"),
        ("#!/bin/sh\nkill -ILL $$\n", "ends with an illegal instruction"),
        ("#!/bin/sh\nkill -SEGV $$\n", "was ended by SIGSEGV"),
        (
            printing("llama-server: error while loading shared libraries: libggml.so.0: cannot open it", 127),
            "the library libggml.so.0 is missing",
        ),
        (printing("usage: something else", 3), "ended with exit code 3 (usage: something else)"),
        ("#!/bin/sh\nexit 1\n", "ended with exit code 1 (no output)"),
    ],
)
@pytest.mark.parametrize("name", ["llama-server", "ggml-rpc-server"])
def test_a_program_that_does_not_run(tmp_path, name, text, told):
    path = put(tmp_path / name, text)
    problem = found(search_path=str(tmp_path))["problem"]
    assert told in problem
    assert problem.startswith(path)
    assert problem.endswith(".")


def test_the_first_problem_is_told(tmp_path):
    put(tmp_path / "llama-server", "#!/bin/sh\nkill -ILL $$\n")
    put(tmp_path / "ggml-rpc-server", "#!/bin/sh\nexit 1\n")
    answer = found(search_path=str(tmp_path))
    assert answer["found"] is True
    assert "llama-server ends with an illegal instruction" in answer["problem"]


def test_an_rpc_server_that_prints_its_usage_and_exits_with_0(tmp_path):
    put(tmp_path / "rpc-server", printing("Usage: rpc-server [options]"))
    assert "ended with exit code 0 (Usage: rpc-server [options])" in found(search_path=str(tmp_path))["problem"]


def test_programs_that_never_answer_are_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(ask, "VERSION_SECONDS", 0.2)
    monkeypatch.setattr(ask, "RPC_SECONDS", 0.2)
    put(tmp_path / "llama-server", "#!/bin/sh\nexec sleep 60\n")
    put(tmp_path / "ggml-rpc-server", f'#!/bin/sh\necho $$ > "{tmp_path}/pid"\nexec sleep 60\n')
    answer = found(search_path=str(tmp_path))
    assert "did not end within 0.2 seconds" in answer["problem"]
    assert not is_running(int((tmp_path / "pid").read_text()))


def install(builds_path, *ids):
    for name in ids:
        put(builds_path / name / "llama-server", printing(NEW))
        put(builds_path / name / "ggml-rpc-server", RPC_SERVER)


def test_the_build_in_force_comes_first_and_is_named_by_its_own_folder(tmp_path):
    builds_path = tmp_path / "opt"
    install(builds_path, "b2-0123abcd", "b1-ffff0000", ".incoming-b3-00000000")
    put(tmp_path / "bin/llama-server", printing(OLD))
    (builds_path / "current").symlink_to("b1-ffff0000")
    answer = found(builds_path=str(builds_path), search_path=str(tmp_path / "bin"), probe_rpc=False)
    assert answer["server"] == str(builds_path / "b1-ffff0000/llama-server")
    assert answer["rpc_server"] == str(builds_path / "b1-ffff0000/ggml-rpc-server")
    assert (answer["builds"], answer["current"]) == (["b1-ffff0000", "b2-0123abcd"], "b1-ffff0000")


def test_the_build_in_force_may_be_passed_over(tmp_path):
    builds_path = tmp_path / "opt"
    install(builds_path, "b1-ffff0000")
    put(tmp_path / "bin/llama-server", printing(OLD))
    (builds_path / "current").symlink_to("b1-ffff0000")
    path = str(tmp_path / "bin")
    answer = found(builds_path=str(builds_path), use_current=False, search_path=path, probe_rpc=False)
    assert answer["server"] == str(tmp_path / "bin/llama-server")
    assert (answer["builds"], answer["current"]) == (["b1-ffff0000"], "b1-ffff0000")


def test_a_prefix_comes_before_the_build_in_force(tmp_path):
    install(tmp_path, "b1-ffff0000", "b2-0123abcd")
    (tmp_path / "current").symlink_to(tmp_path / "b1-ffff0000")
    answer = found(prefix=str(tmp_path / "b2-0123abcd"), builds_path=str(tmp_path), probe_rpc=False)
    assert answer["server"] == str(tmp_path / "b2-0123abcd/llama-server")
    assert answer["current"] == "b1-ffff0000"


@pytest.mark.parametrize("target", ["b9-gone", "../elsewhere", "b1-ffff0000/bin", "current", None])
def test_without_a_link_to_a_build_none_is_in_force(tmp_path, target):
    builds_path = tmp_path / "opt"
    install(builds_path, "b1-ffff0000")
    (builds_path / "b1-ffff0000" / "bin").mkdir()
    install(tmp_path, "elsewhere")
    if target:
        (builds_path / "current").symlink_to(target)
    answer = found(builds_path=str(builds_path))
    assert (answer["builds"], answer["current"], answer["found"]) == (["b1-ffff0000"], None, False)


def test_a_folder_of_builds_that_is_not_there(tmp_path):
    assert find.find_builds(str(tmp_path / "opt")) == ({}, None)


def test_a_build_says_by_its_libraries_which_backends_it_has(tmp_path):
    install(tmp_path, "b1-ffff0000", "b2-0123abcd")
    put(tmp_path / "b2-0123abcd" / "bin" / "libggml-vulkan.so.0", "")
    put(tmp_path / "b2-0123abcd" / "lib" / "libggml-cuda.so", "")
    assert found(builds_path=str(tmp_path))["build_backends"] == {
        "b1-ffff0000": ["CPU"],
        "b2-0123abcd": ["CPU", "CUDA", "Vulkan"],
    }


def test_packages_say_by_their_libraries_which_backends_they_brought(tmp_path):
    """A backend whose driver is missing is there and does not load."""
    put(tmp_path / "lib" / "ggml" / "backends0" / "libggml-vulkan.so", "")
    assert found(packaged=[f"{tmp_path}/*/ggml/backends*"])["package_backends"] == ["CPU", "Vulkan"]


VULKAN = {
    "name": "Vulkan0",
    "description": "A card",
    "unified": None,
    "total_bytes": 8192 << 20,
    "free_bytes": 8000 << 20,
}


@pytest.mark.parametrize(
    ("loaded", "devices"),
    [
        (["RPC", "CPU"], []),  # there is nothing to ask for
        (["RPC", "BLAS", "CPU"], []),
        (["RPC", "Vulkan", "CPU"], [VULKAN]),
        ([], [VULKAN]),  # built in, and so not told
    ],
)
def test_devices_are_asked_for_where_there_may_be_some(tmp_path, loaded, devices):
    put(tmp_path / "llama-server", SERVER)
    says = "".join(f"print('load_backend: loaded {name} backend from x.so')\n" for name in loaded)
    text = "".join(line for line in RPC_SERVER.splitlines(True) if 'print("load_backend' not in line)
    put(tmp_path / "rpc-server", text.replace("server = socket", says + "sys.stdout.flush()\nserver = socket"))
    assert found(search_path=str(tmp_path))["devices"] == devices
    assert ("--list-devices" in (tmp_path / "asked").read_text().split()) is bool(devices)


@pytest.mark.parametrize(
    ("library", "in_force", "asked"),
    [
        ("libggml-vulkan.so", None, True),
        ("libggml-vulkan.so", "b1-ffff0000", True),
        ("libggml-cpu.so", None, False),
        # In force, or older than what is.
        ("libggml-vulkan.so", "b2-0123abcd", False),
        ("libggml-vulkan.so", "b3-00000000", False),
    ],
)
def test_a_build_that_waits_to_be_in_force_is_asked_for_its_devices(monkeypatch, tmp_path, library, in_force, asked):
    ages = {"b1-ffff0000": 1.0, "b2-0123abcd": 3.0, "b3-00000000": 5.0}
    ages["current"] = ages.get(in_force, -1.0) + 1
    monkeypatch.setattr(find, "_changed", lambda path: ages[os.path.basename(path)])
    install(tmp_path, "b1-ffff0000", "b3-00000000")
    put(tmp_path / "b2-0123abcd" / "llama-server", SERVER)
    put(tmp_path / "b2-0123abcd" / "rpc-server", RPC_SERVER)
    put(tmp_path / "b2-0123abcd" / library, "")
    assert found(builds_path=str(tmp_path))["build_devices"] == ({"b2-0123abcd": [VULKAN]} if asked else {})


def test_a_server_that_does_not_list_its_devices_has_none(tmp_path):
    put(tmp_path / "llama-server", SERVER.replace("--list-devices) ", "--list-devices) exit 1;"))
    answer = found(search_path=str(tmp_path))
    assert (answer["devices"], answer["problem"]) == ([], None)


def test_flags_are_asked_for_once_while_the_programs_are_the_same(tmp_path):
    file = tmp_path / "run" / "drover" / "programs.json"
    programs = tmp_path / "bin"
    server = put(programs / "llama-server", SERVER)
    put(programs / "ggml-rpc-server", RPC_SERVER)

    def ask_again(may_write=True):
        answer = found(search_path=str(programs), flags_file=str(file), may_write=may_write)
        helped = [(programs / name).read_text().split().count("--help") for name in ("asked", "rpc-asked")]
        return answer["server_flags"], answer["rpc_server_flags"], helped

    flags = ["--fit", "--rpc"], ["--cache", "--threads"]
    assert ask_again(may_write=False) == (*flags, [1, 1])
    assert not file.exists()
    assert ask_again() == (*flags, [2, 2])
    assert ask_again() == (*flags, [2, 2])
    put(programs / "llama-server", SERVER.replace("--fit", "--fitting"))
    assert ask_again() == (["--fitting", "--rpc"], flags[1], [3, 3])
    # Another version, told by a library: the programs are the same.
    stat = os.stat(server)
    put(programs / "llama-server", (programs / "llama-server").read_text().replace("build 11669", "build 11670"))
    os.utime(server, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert os.stat(server).st_size == stat.st_size
    assert ask_again()[2] == [4, 4]
    file.write_text("{")
    assert ask_again()[2] == [5, 5]


def test_a_program_that_does_not_say_its_flags_is_asked_again(tmp_path):
    file = tmp_path / "programs.json"
    put(tmp_path / "llama-server", SERVER.replace("--help)", "--other)"))
    put(tmp_path / "ggml-rpc-server", RPC_SERVER)
    answer = found(search_path=str(tmp_path), flags_file=str(file), may_write=True)
    assert (answer["server_flags"], answer["rpc_server_flags"]) == ([], ["--cache", "--threads"])
    assert not file.exists()


def test_a_program_that_does_not_run_is_asked_for_nothing_more(tmp_path):
    put(tmp_path / "llama-server", SERVER.replace("--version) ", "--version) exit 1;"))
    put(tmp_path / "ggml-rpc-server", RPC_SERVER)
    answer = found(search_path=str(tmp_path))
    assert (answer["server_flags"], answer["rpc_server_flags"], answer["devices"]) == ([], [], [])
    assert (tmp_path / "asked").read_text().split() == ["--version"]
