# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a spec says of Kubernetes, and what the nodes, their programs and their images are made from."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from lab import kept, machines, network, requirements, spec, state
from lab.errors import LabError
from lab.kubernetes import images, kubeadm, node, oci, policies, programs

NODE = {"suite": "trixie", "memory": "2GiB"}
CLUSTER = {"control_plane": "a"}


def parse(cluster=None, hosts=None, **changes):
    hosts = hosts or {"a": NODE, "b": {**NODE, "memory": "512MiB"}, "c": NODE}
    document = {"name": "lab-1", "subnet": "10.9.8.0/24", "hosts": hosts, "kubernetes": CLUSTER, **changes}
    return spec.parse({**document, **({"kubernetes": cluster} if cluster is not None else {})})


def test_all_hosts_are_nodes_and_each_has_addresses_for_its_pods():
    lab = parse({"control_plane": "b", "pods": "10.7.16.0/20", "services": "10.7.32.0/20"}, {"a": NODE, "b": NODE})
    assert [one.name for one in lab.nodes] == ["b", "a"]
    assert {one.name: str(one.pods) for one in lab.nodes} == {"a": "10.7.16.0/24", "b": "10.7.17.0/24"}
    assert (lab.kubernetes.control_plane, str(lab.kubernetes.services)) == ("b", "10.7.32.0/20")
    assert {"containerd", "runc", "iptables"} <= set(lab.hosts["a"].packages)


def test_hosts_that_are_not_named_are_no_nodes():
    lab = parse({"control_plane": "a", "nodes": ["a", "c"]}, {"a": NODE, "b": None, "c": NODE})
    assert [one.name for one in lab.nodes] == ["a", "c"]
    assert (lab.hosts["b"].pods, lab.hosts["b"].packages) == (None, ())
    assert lab.hosts["c"].pods.subnet_of(lab.kubernetes.pods)


def test_a_lab_without_the_key_has_no_nodes():
    lab = spec.parse({"name": "x", "hosts": {"a": None}})
    assert (lab.kubernetes, lab.nodes, lab.hosts["a"].pods) == (None, [], None)


def test_labs_have_other_addresses_for_pods_and_services_by_default():
    found = [parse(name=name).kubernetes for name in ("one", "two", "three")]
    networks = [one for cluster in found for one in (cluster.pods, cluster.services)]
    assert len(set(networks)) == 6
    assert all(one.is_private and one.prefixlen == 20 for one in networks)
    assert not any(one.overlaps(IPv4Network("10.213.0.0/16")) for one in networks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster": ["a"]}, "kubernetes must be a mapping of names to values, not ['a']"),
        ({"kubernetes": None}, "kubernetes must be a mapping of names to values, not None"),
        ({"cluster": {}}, "kubernetes: control_plane None is not right: choose one of a, b, c"),
        ({"cluster": {"control_plane": "d"}}, "control_plane 'd' is not right: choose one of a, b, c"),
        ({"cluster": {"control_plane": ["a"]}}, "control_plane ['a'] is not right"),
        ({"cluster": {**CLUSTER, "version": "1.34"}}, "kubernetes: 'version' is not known: the keys are control_plane"),
        ({"cluster": {**CLUSTER, "nodes": []}}, "kubernetes: nodes [] is not right: choose one or more of a, b, c"),
        ({"cluster": {**CLUSTER, "nodes": ["a", "d"]}}, "kubernetes: nodes ['a', 'd'] is not right"),
        ({"cluster": {**CLUSTER, "nodes": ["a", "a"]}}, "kubernetes: nodes ['a', 'a'] is not right"),
        ({"cluster": {**CLUSTER, "nodes": "a"}}, "kubernetes: nodes must be a list of names of hosts"),
        ({"cluster": {**CLUSTER, "nodes": ["b", "c"]}}, "control_plane 'a' is not right: choose one of b, c"),
        ({"cluster": {**CLUSTER, "pods": "10.7.0.0/16"}}, "pods 10.7.0.0/16 is not right: it must be a /20"),
        ({"cluster": {**CLUSTER, "services": "many"}}, "subnet 'many' is not an IPv4 network"),
        ({"cluster": {**CLUSTER, "pods": "10.9.0.0/20"}}, "kubernetes: 10.9.8.0/24 and 10.9.0.0/20 overlap"),
        (
            {"cluster": {**CLUSTER, "pods": "10.7.0.0/20", "services": "10.7.0.0/20"}},
            "kubernetes: 10.7.0.0/20 and 10.7.0.0/20 overlap",
        ),
        ({"internet": False}, "kubernetes: internet is false"),
        ({"hosts": {"a": {"suite": "forky"}}}, "host a: suite forky makes no node of Kubernetes: write trixie"),
        ({"hosts": {"a": {**NODE, "memory": "1GiB"}}}, "host a: memory 1 GiB is too little for a control plane"),
        ({"hosts": {"a": NODE, "b": {**NODE, "memory": "256MiB"}}}, "memory 256 MiB is too little for a node"),
        ({"hosts": {"a": NODE, **{f"b{n}": NODE for n in range(16)}}}, "the lab has 17 hosts, and 10."),
    ],
)
def test_a_bad_cluster_is_refused(changes, message):
    with pytest.raises(LabError) as caught:
        parse(**changes)
    assert message in str(caught.value)


def test_nodes_share_the_only_network():
    with pytest.raises(LabError, match="kubernetes: the lab has several networks"):
        spec.parse(
            {
                "name": "x",
                "networks": {"house": "10.8.0.0/24", "cluster": "10.9.0.0/24"},
                "hosts": {"a": NODE},
                "kubernetes": CLUSTER,
            }
        )


def test_an_emulated_host_is_no_node(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    lab = parse(hosts={"a": {**NODE, "architecture": "arm64"}})
    with pytest.raises(LabError, match="host a: an emulated host runs no containers: write architecture: amd64"):
        machines.choose("x", lab.hosts["a"])


def test_pods_are_in_the_labs_network_and_reach_the_world():
    lab = parse({**CLUSTER, "pods": "10.7.16.0/20"})
    rules = network.rules(lab)
    assert "out ip saddr { 10.9.8.0/24, 10.7.16.0/20 } ip daddr != { 10.9.8.0/24, 10.7.16.0/20 } masquerade" in rules
    ways = node.routes(lab, lab.hosts["b"])
    assert "Destination=10.7.16.0/24\nGateway=10.9.8.11\n" in ways
    assert "Destination=10.7.18.0/24\nGateway=10.9.8.13\n" in ways
    assert ways.count("[Route]") == 2
    assert json.dumps(node.network(lab.hosts["b"])).count("10.7.17.0/24") == 1


def test_all_nodes_are_made_anew_when_the_cluster_changes():
    before = node.fingerprint(parse())
    assert node.fingerprint(parse()) == before
    changed = (
        parse({"control_plane": "c"}),
        parse({**CLUSTER, "nodes": ["a", "b"]}),
        parse({**CLUSTER, "pods": "10.7.16.0/20"}),
        parse({**CLUSTER, "services": "10.7.16.0/20"}),
    )
    assert before not in [node.fingerprint(lab) for lab in changed]
    assert len({json.dumps(node.fingerprint(lab)) for lab in changed}) == 4


def test_kubeadm_is_told_of_the_labs_addresses(tmp_path):
    lab = parse({**CLUSTER, "pods": "10.7.16.0/20", "services": "10.7.32.0/20"})
    kubeadm.lay_out(lab, tmp_path)
    init, cluster, kubelet, _ = yaml.safe_load_all((tmp_path / "kubeadm.yaml").read_text())
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.9.8.11"}
    assert cluster["networking"] == {"podSubnet": "10.7.16.0/20", "serviceSubnet": "10.7.32.0/20"}
    assert kubelet["imageGCHighThresholdPercent"] == 100
    assert len(list((tmp_path / "patches").glob("*+strategic.yaml"))) == 4
    enforcing = next(one for one in yaml.safe_load_all(policies.manifests(lab)) if one["kind"] == "DaemonSet")
    (container,) = enforcing["spec"]["template"]["spec"]["containers"]
    assert "--service-cluster-ip-range=10.7.32.0/20" in container["args"]


# Images


def read(archive):
    with tarfile.open(archive) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def blob(files, described):
    content = files[f"blobs/sha256/{described['digest'][7:]}"]
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (described["digest"][7:], described["size"])
    return content


@pytest.fixture
def layers(tmp_path):
    (tmp_path / "program").write_text("#!/bin/sh\n")
    entries = {
        "one": [oci.program("bin/one", tmp_path / "program"), oci.link("bin/other", "one")],
        "two": [oci.program("bin/two", tmp_path / "program")],
    }
    for name, content in entries.items():
        oci.write_layer(tmp_path / f"{name}.tar", content)
    return tmp_path / "one.tar", tmp_path / "two.tar"


def test_an_archive_is_an_oci_layout_whose_digests_and_sizes_are_right(layers, tmp_path):
    one, two = layers
    wanted = [
        oci.Image(("registry.example:5000/one:1", "registry.example/same:2"), (one,), ("/bin/one",)),
        oci.Image(("registry.example/both:3",), (one, two)),
    ]
    oci.write_archive(tmp_path / "images.tar", wanted, "arm64")
    files = read(tmp_path / "images.tar")
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    listed = json.loads(files["index.json"])["manifests"]
    named = {entry["annotations"]["io.containerd.image.name"]: entry for entry in listed}
    assert set(named) == {"registry.example:5000/one:1", "registry.example/same:2", "registry.example/both:3"}
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in listed] == ["1", "2", "3"]
    assert listed[0]["digest"] == listed[1]["digest"] != listed[2]["digest"]
    seen = {}
    for entry in listed:
        assert entry["platform"] == {"architecture": "arm64", "os": "linux"}
        manifest = json.loads(blob(files, entry))
        configuration = json.loads(blob(files, manifest["config"]))
        content = [blob(files, layer) for layer in manifest["layers"]]
        # A plain tar is its own difference.
        assert configuration["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
        seen[entry["annotations"]["org.opencontainers.image.ref.name"]] = content, configuration["config"]
    assert seen["1"][0] == [one.read_bytes()]
    assert seen["3"][0] == [one.read_bytes(), two.read_bytes()]
    assert (seen["1"][1]["Entrypoint"], "Entrypoint" in seen["3"][1]) == (["/bin/one"], False)
    assert len([name for name in files if name.startswith("blobs/")]) == 2 + 2 + 2


def test_the_same_content_gives_the_same_bytes(layers, tmp_path):
    (tmp_path / "program").touch()
    oci.write_layer(tmp_path / "again.tar", [oci.program("bin/two", tmp_path / "program")])
    assert (tmp_path / "again.tar").read_bytes() == layers[1].read_bytes()
    for name in ("first", "second"):
        oci.write_archive(tmp_path / name, [oci.Image(("x:1",), layers)], "amd64")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_layer_holds_programs_that_everybody_may_run_and_links(layers):
    with tarfile.open(layers[0]) as tar:
        program, link = tar.getmembers()
    assert (program.name, program.mode, program.uid, program.gid, program.mtime) == ("bin/one", 0o755, 0, 0, 0)
    assert (link.name, link.issym(), link.linkname) == ("bin/other", True, "one")


def test_the_base_has_programs_and_no_names_of_this_machine(tmp_path):
    kept_files = ("./usr/bin/busybox", "./etc/protocols")
    with tarfile.open(tmp_path / "tools.tar", "w") as tar:
        for name in (*kept_files, "./etc/apt/sources.list", "./etc/resolv.conf", "./usr/share/doc/x", "./var/lib/x"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
        device = tarfile.TarInfo("./dev/null")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
    images._write_base(tmp_path / "tools.tar", tmp_path / "base.tar")
    with tarfile.open(tmp_path / "base.tar") as tar:
        entries = {entry.name: entry for entry in tar}
    assert [name for name, entry in entries.items() if entry.isreg()] == ["usr/bin/busybox", "etc/protocols"]
    assert (entries["usr/bin/sh"].linkname, entries["lib64"].linkname) == ("busybox", "usr/lib64")
    assert entries["usr/local/bin/iptables-save"].linkname == "/usr/sbin/xtables-nft-multi"


# Programs


@pytest.fixture
def ready_made(monkeypatch, tmp_path):
    """A folder with an archive of programs, which is the right one; gives the archive."""
    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    archive = tmp_path / "ready" / f"programs-{programs.VERSION}-amd64.tar.xz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:xz") as tar:
        for name in programs.FILES:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    monkeypatch.setenv("DROVER_LAB_KUBERNETES", str(archive.parent))
    monkeypatch.setattr(programs, "_DIGESTS", {"amd64": hashlib.sha256(archive.read_bytes()).hexdigest()})
    return archive


@pytest.fixture
def without_groups(monkeypatch):
    """Things are made without a control group, which would take root."""

    class NoGroup:
        def __init__(self, path):
            self.path = path

        def create(self):
            pass

        def remove(self):
            pass

        def command(self, arguments):
            return [str(argument) for argument in arguments]

    monkeypatch.setattr(kept, "Group", NoGroup)


def test_ready_made_programs_are_taken(ready_made, without_groups):
    said = []
    made = programs.ensure("x", said.append)
    assert made == programs.folder()
    assert not any("compiling" in line for line in said)
    assert sorted(path.name for path in made.iterdir()) == sorted([*programs.FILES, *programs.NAMES])
    assert (made / "kubelet").resolve() == made / "kube"
    assert (made / "kube").read_text() == "kube"
    assert (made / "kube").stat().st_mode & 0o111 == 0o111
    ready_made.unlink()
    assert programs.ensure("x", said.append) == made


def test_an_archive_that_is_not_the_right_one_is_refused(ready_made, without_groups):
    ready_made.write_bytes(ready_made.read_bytes() + b"\0")
    with pytest.raises(LabError, match=r"amd64\.tar\.xz has the SHA-256 [0-9a-f]{64} and not [0-9a-f]{64}: put"):
        programs.ensure("x", lambda line: None)
    assert not programs.folder().exists()


def test_a_folder_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("DROVER_LAB_KUBERNETES", "/no/such/folder")
    with pytest.raises(LabError, match="DROVER_LAB_KUBERNETES names /no/such/folder, which is no folder"):
        programs.ready_made()


@pytest.mark.parametrize(
    ("version", "message"),
    [("go1.19.8\n", "Go 1.24 or later, and here is go1.19.8"), (None, "Go 1.24 or later, and here is no Go")],
)
def test_a_go_that_cannot_compile_them_is_told(ready_made, without_groups, monkeypatch, tmp_path, version, message):
    ready_made.unlink()
    if version:
        (tmp_path / "go").write_text(f"#!/bin/sh\necho {version}")
        (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if version else str(tmp_path))
    said = []
    with pytest.raises(LabError, match=message):
        programs.ensure("x", said.append)
    assert any("20 to 45 minutes" in line for line in said)


def test_programs_are_compiled_where_there_are_none(ready_made, without_groups, monkeypatch, tmp_path):
    ready_made.unlink()
    script = (
        '#!/bin/sh\ncase "$*" in\n"env GOVERSION") echo go1.26.1;;\n'
        '*" -o "*) while [ "$1" != -o ]; do shift; done; echo "$PWD" > "$2";;\n'
        '*coredns@v*) echo > "$GOBIN/coredns";;\n*kube-router@v*) echo > "$GOBIN/kube-router";;\nesac\n'
        'echo "$CGO_ENABLED"\n'
    )
    (tmp_path / "go").write_text(script)
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made = programs.ensure("x", lambda line: None)
    assert set(programs.FILES) <= {path.name for path in made.iterdir()}
    sources = Path((made / "kube").read_text().strip())
    assert (sources / "kube/main.go").exists()
    assert (made / "build.log").read_text() == "0\n" * 4


def test_the_programs_say_which_version_they_are():
    flags = programs.version_flags("1.34.3").split()
    assert "k8s.io/component-base/version.gitVersion=v1.34.3" in flags
    assert "k8s.io/client-go/pkg/version.gitMinor=34" in flags
    module = (programs._SOURCES / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{programs.VERSION}\n" in module


def test_only_a_lab_whose_programs_must_be_compiled_needs_go(ready_made):
    from lab import lifecycle

    def there(sign):
        return sign != "go"

    assert lifecycle.must_compile(parse()) is False
    ready_made.unlink()
    assert lifecycle.must_compile(parse()) is True
    assert lifecycle.must_compile(spec.parse({"name": "x", "hosts": {"a": None}})) is False
    assert lifecycle.must_compile(None) is False
    requirements.check(system="linux", user=0, there=there)
    with pytest.raises(LabError, match="needs the Debian packages golang-go: `lab setup` with the spec installs them"):
        requirements.check({"amd64"}, True, "linux", 0, there)


def test_programs_in_use_are_not_deleted(monkeypatch, tmp_path):
    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(state, "STATE", tmp_path / "state")
    folder = tmp_path / "cache" / programs.FOLDER
    for name in ("programs-1", "programs-2", "images-1"):
        (folder / name).mkdir(parents=True)
    state.write(tmp_path / "state/demo/hosts/a/programs", str(folder / "programs-1"))
    assert sorted(kept.remove_unused(programs.FOLDER, programs.in_use(), 0)) == ["images-1", "programs-2"]


def test_the_shipped_spec_has_unequal_nodes_and_a_control_plane_that_has_room_to_work():
    lab = spec.load("kubernetes")
    assert [one.name for one in lab.nodes] == ["kube-1", "kube-2", "kube-3"]
    assert [one.memory >> 20 for one in lab.nodes] == [2560, 1536, 1024]
