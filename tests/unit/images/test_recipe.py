# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image is made, as data."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.images.recipe import make_recipe, translated_programs
from unit.images.raw_image import image

BUILD = {
    "id": "b100-abababab",
    "label": "b100",
    "file": "llama.tar.gz",
    "path": "/cache/llama.tar.gz",
    "root": "llama-b100",
    "sha256": "ab" * 32,
    "glibc": "2.38",
    "libraries": ["libgomp.so.1"],
}
AMD64 = {"architecture": "amd64", "runs": ["amd64"], "mirror": None}
EMULATING = {**AMD64, "runs": ["amd64", "arm64"]}


@pytest.fixture
def recipe(tmp_path):
    runtime = tmp_path / "drover.pyz"
    runtime.write_bytes(b"runtime")

    def make(architecture="amd64", build=None, builder=AMD64, content=b"runtime", **settings):
        runtime.write_bytes(content)
        given = {
            "name": "registry.lan:5000/ai/drover-llama",
            "base": "",
            "packages": [],
            "mirror": "",
            "apt_options": [],
        }
        given.update(auth_file="", tls_verify=True, work="/srv/made")
        given.update(settings)
        return make_recipe(architecture, build, given, builder, {"path": str(runtime), "version": "1.2.3"})

    return make


def lines(recipe):
    return recipe["containerfile"].splitlines()


def test_packages_on_debians_own_image(recipe):
    made = recipe()
    assert lines(made)[0] == "FROM docker.io/library/debian:forky-slim"
    (install,) = [line for line in lines(made) if "apt-get install" in line]
    assert "llama.cpp-tools-extra" in install
    assert (made["root"], made["build"], made["base"]) == (None, None, None)


def test_an_archive_goes_where_hosts_have_it(recipe):
    made = recipe(build=BUILD)
    assert lines(made)[0] == "FROM docker.io/library/debian:trixie-slim"
    assert "COPY build /opt/llama.cpp" in lines(made)
    assert not [line for line in lines(made) if "llama.cpp-tools" in line]
    assert (made["label"], made["unpacked"], made["place"]) == ("b100", "llama-b100", "b100-abababab")


def test_it_runs_as_somebody_without_rights_and_without_a_shell(recipe):
    assert "USER 10001:10001" in lines(recipe())
    entry = 'ENTRYPOINT ["/usr/local/lib/drover/python3", "/usr/local/lib/drover/drover.pyz"]'
    assert lines(recipe())[-1] == entry
    own = recipe(base="mmdebstrap")
    shells = [line for line in lines(own) if line.startswith("RUN ") and not line.startswith("RUN [")]
    assert not shells
    assert "drover:x:10001:10001:" in own["texts"]["root/etc/passwd"]


def test_mmdebstrap_unpacks_for_any_architecture(recipe):
    made = recipe("arm64", base="mmdebstrap", mirror="http://mirror.example/debian", apt_options=["Some::Option 1"])
    assert lines(made)[:2] == ["FROM scratch", "ADD root /"]
    assert {"--architectures=arm64", "--variant=extract", "--aptopt=Some::Option 1"} <= set(made["root"])
    assert made["root"][-3:] == ["forky", "/srv/made/arm64/root", "http://mirror.example/debian"]
    assert not [line for line in lines(made) if line.startswith("RUN")]
    assert not made["asked"]
    # numpy asks for these, which nobody has linked.
    assert made["links"] == {
        "/srv/made/arm64/root/usr/lib/aarch64-linux-gnu/libblas.so.3": "blas/libblas.so.3",
        "/srv/made/arm64/root/usr/lib/aarch64-linux-gnu/liblapack.so.3": "lapack/liblapack.so.3",
    }
    assert recipe()["links"] == {}


def test_what_the_builder_emulates_is_asked(recipe):
    made = recipe("arm64", builder=EMULATING)
    assert made["asked"]
    assert [line for line in lines(made) if line.startswith("RUN [")]
    assert made["make"][made["make"].index("--platform") + 1] == "linux/arm64"


def test_without_emulation_it_is_said_what_is_missing(recipe):
    with pytest.raises(DroverError, match=r"runs no programs for arm64.*qemu-user-static.*mmdebstrap"):
        recipe("arm64")


def test_a_registry_is_spoken_with_as_one_is_told(recipe):
    made = recipe(auth_file="/root/auth.json", tls_verify=False)["make"]
    assert made[made.index("--authfile") + 1] == "/root/auth.json"
    assert "--tls-verify=false" in made
    assert "--tls-verify=true" in recipe()["make"]
    assert not [word for word in recipe(base="mmdebstrap")["make"] if word.startswith("--tls")]


def test_the_id_is_of_all_that_the_result_depends_on_and_of_nothing_else(recipe):
    first = recipe(base="mmdebstrap")["id"]
    assert recipe(base="mmdebstrap", mirror="http://other.example/debian")["id"] == first
    others = [
        recipe()["id"],
        recipe(base="mmdebstrap", packages=["tini"])["id"],
        recipe(base="mmdebstrap", content=b"another runtime")["id"],
        recipe(base="mmdebstrap", build=BUILD)["id"],
        recipe(base="mmdebstrap", build={**BUILD, "sha256": "cd" * 32})["id"],
        recipe(base="mmdebstrap", name="localhost/drover-llama")["id"],
        recipe("arm64", base="mmdebstrap")["id"],
    ]
    assert len({first, *others}) == 1 + len(others)
    # Whether it can be asked while it is made changes nothing of what is in it.
    assert recipe("arm64", base="mmdebstrap", builder=EMULATING)["id"] == others[-1]


@pytest.mark.parametrize(
    "name", ["drover-llama", "Registry/drover", "registry.lan/a:b", "registry.lan/drover llama", "a/"]
)
def test_names_that_no_registry_takes(recipe, name):
    with pytest.raises(DroverError, match="which is no name of an image"):
        recipe(name=name)


def test_programs_of_another_architecture(recipe):
    told = translated_programs(image(), recipe("arm64", base="mmdebstrap"))
    assert told["rpc_server"] == "/usr/libexec/aarch64-linux-gnu/llama/bin/ggml-rpc-server"
    assert told["version"] == "0.7.0"


def test_programs_of_another_archive(recipe):
    programs = {"server": "/opt/llama.cpp/b100-11111111/llama-server", "builds": ["b100-11111111"], "current": None}
    told = translated_programs(
        image(place="b100-11111111", programs=programs), recipe("arm64", build=BUILD, base="mmdebstrap")
    )
    assert told["server"] == "/opt/llama.cpp/b100-abababab/llama-server"
    assert told["builds"] == ["b100-abababab"]
