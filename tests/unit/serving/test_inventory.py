# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory sets and would not count is told by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from module_utils.serving.inventory import DECIDED, SHARED, inventory_faults, setting_faults

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = {
    name
    for path in ROOT.glob("roles/*/meta/argument_specs.yml")
    for name in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
}


def faults(*hosts: dict) -> list[str]:
    return setting_faults({"inventory_hostname": f"pi-{number}", **said} for number, said in enumerate(hosts, 1))


class Host(Mapping):
    """A host as Ansible has it, whose values are made when they are asked for."""

    def __init__(self, values: dict) -> None:
        self.values_made = values

    def __getitem__(self, name: str) -> object:
        if self.values_made[name] is RuntimeError:
            raise RuntimeError("'some_variable' is undefined")
        return self.values_made[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_made

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_made)

    def __len__(self) -> int:
        return len(self.values_made)


@pytest.mark.parametrize(
    ("hosts", "sentences"),
    [
        ([{}, {}], []),
        (
            [{}, {"llama_server_plan": {}}],
            [
                "pi-2 sets llama_server_plan, which the playbooks decide themselves: take it out of the inventory, or "
                "use the role by itself."
            ],
        ),
        (
            [{"placement_cluster": "x", "llama_server_plan": {}}, {"llama_server_plan": {}, "placement_cluster": "x"}],
            [
                "pi-1, pi-2 set llama_server_plan, placement_cluster (set drover_cluster instead), which the playbooks "
                "decide themselves: take them out of the inventory, or use the role by itself."
            ],
        ),
        (
            [{"host_cluster": "x"}, {}],
            [
                "pi-1 sets host_cluster (set drover_cluster instead), which the playbooks decide themselves: take it "
                "out of the inventory, or use the role by itself."
            ],
        ),
        # What a playbook of the same run has set itself is no inventory's.
        ([{"llama_server_plan": {}, "placement_tally": {}}], []),
        # A part of one host's own may differ.
        ([{"llama_server_threads": 1}, {}], []),
        # Text and number are one, and so is nothing and empty text.
        ([{"placement_margin": "0.1"}, {"placement_margin": 0.1}], []),
        ([{"placement_leader": ""}, {}], []),
        (
            [{}, {}, {"llama_server_context_size": 4096}],
            [
                "llama_server_context_size is one setting of the whole cluster, and pi-3 has another than pi-1: set it "
                "for the group llama_cluster."
            ],
        ),
        (
            [{"drover_cluster": "a", "placement_margin": 0.1}, {"drover_cluster": "b", "placement_margin": 0.2}],
            [
                f"{name} is one setting of the whole cluster, and pi-2 has another than pi-1: set it for the group "
                "llama_cluster."
                for name in ("drover_cluster", "placement_margin")
            ],
        ),
    ],
)
def test_what_would_not_count_is_told(hosts, sentences):
    assert faults(*hosts) == sentences


PIS = {"pi-1": {"inventory_hostname": "pi-1"}, "pi-2": {"inventory_hostname": "pi-2"}}


@pytest.mark.parametrize("leaders", [None, [], ["pi-2"]])
def test_a_cluster_with_at_most_one_pinned_leader_has_no_faults(leaders):
    groups = {"all": [*PIS], "ungrouped": [], "llama_cluster": [*PIS]}
    assert inventory_faults(groups if leaders is None else {**groups, "llama_leader": leaders}, PIS) == []


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({"all": [], "ungrouped": []}, "no hosts in the group llama_cluster (its groups are none); put every machine"),
        ({"all": ["a"], "llama_clusters": ["a"], "b": []}, "(its groups are llama_clusters, b); put every machine"),
        ({"llama_cluster": [], "llama_leader": ["pi-1"]}, "no hosts in the group llama_cluster"),
        (
            {"llama_cluster": ["pi-1"], "llama_leader": ["stranger"]},
            "The group llama_leader holds stranger, and it pins one host of the group llama_cluster (pi-1); name",
        ),
        ({"llama_cluster": ["pi-1", "pi-2"], "llama_leader": ["pi-1", "pi-2"]}, "llama_leader holds pi-1, pi-2, and"),
    ],
)
def test_groups_that_the_playbooks_cannot_go_by_are_told(groups, told):
    (sentence,) = inventory_faults(groups, PIS)
    assert told in sentence


def test_groups_and_settings_are_told_together():
    groups = {"llama_cluster": ["pi-1", "pi-2"], "llama_leader": ["stranger"]}
    hosts = {**PIS, "pi-2": {"inventory_hostname": "pi-2", "placement_margin": "0.2"}}
    first, second = inventory_faults(groups, hosts)
    assert "llama_leader" in first
    assert second.startswith("placement_margin is one setting of the whole cluster")


def test_every_such_name_is_told():
    (decided,) = faults(dict.fromkeys(DECIDED, ""))
    assert all(name in decided for name in DECIDED)
    shared = faults(dict.fromkeys(SHARED, "x"), {})
    assert [sentence.split(" ")[0] for sentence in shared] == list(SHARED)


def test_no_value_is_shown():
    assert "secret" not in " ".join(faults({"gguf_model_url": "https://x/y?secret"}, {}))


@pytest.mark.parametrize("answer", [RuntimeError, "{{ some_variable }}/model.gguf"])
def test_a_value_that_only_a_play_knows_is_passed_over(answer):
    open_here = Host({"inventory_hostname": "pi-1", "gguf_model_path": answer})
    other = Host({"inventory_hostname": "pi-2", "gguf_model_path": "/a"})
    assert setting_faults([open_here, other]) == []
    assert setting_faults([open_here]) == []
    third = Host({"inventory_hostname": "pi-3", "gguf_model_path": "/b"})
    assert "pi-3 has another than pi-2" in setting_faults([open_here, other, third])[0]


def test_the_names_are_documented_ones_and_each_has_one_fate():
    assert set(DECIDED) | set(SHARED) <= DOCUMENTED | {"drover_cluster"}
    assert set(DECIDED) & set(SHARED) == set()
    assert {name for name in DECIDED.values() if name} <= DOCUMENTED - set(DECIDED) | {"drover_cluster"}
