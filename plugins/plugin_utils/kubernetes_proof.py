# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods of a cluster say when they are asked inside."""

from __future__ import annotations

import json
from contextlib import suppress

from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.healing.told import read_told
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import LEADER, WORKER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pods import DROVER
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.selectors import selector_text
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import place
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import complaint

MORE_SECONDS = 30
# A command that a signal has ended has this and the signal's number for its code, as shells have it.
_BY_SIGNAL = 128


class Killed(DroverError):
    """A command was ended in its container, most likely with it."""


def ask(api, namespace, state, command, timeout=60):
    """The document that ``command`` of the runtime prints in the pod of ``state`` (see ``part_states``)."""
    if not state["pod"]:
        raise DroverError(state["problem"])
    code, said, complained = api.execute(
        namespace, state["pod"], state["part"], [*DROVER, *command], timeout + MORE_SECONDS
    )
    if code:
        told = complaint(complained) or f"code {code}"
        error = Killed if code > _BY_SIGNAL else DroverError
        raise error(f"The {state['part']} on {state['host']} says: {told.rstrip('.')}.")
    try:
        return json.loads(said)
    except ValueError as error:
        raise DroverError(
            f"The {state['part']} on {state['host']} printed no document ({said[:80]!r}): use an image of this "
            "version of Drover."
        ) from error


def ask_again(api, names, state, command, timeout):
    """As ``ask``, and again whenever the program of ``state`` was begun anew meanwhile: a leader that does not heal the
    cluster ends when one of its workers was replaced, after all of them were ready. Raises DroverError at the
    ``timeout``, in seconds, too."""

    def look():
        pod, began = running_container(api, names, state)
        if pod is None:
            return None, {}, f"The {state['part']} on {state['host']} does not run: look at the log of its pod."
        try:
            return ask(api, names.namespace, {**state, "pod": pod}, command, timeout), {}, ""
        except DroverError as error:
            if not isinstance(error, Killed) and running_container(api, names, state) == (pod, began):
                raise
            return None, {}, str(error)

    return wait_for(look, timeout)


def running_container(api, names, state):
    """The pod in which the program of ``state`` runs, and what its container is called, which no other one ever is;
    None twice where it does not run."""
    for pod in api.list(place("Pod", names.namespace), labelSelector=selector_text(names.selector(state["part"]))):
        if pod["spec"].get("nodeName") == state["host"] and not pod["metadata"].get("deletionTimestamp"):
            for container in (pod.get("status") or {}).get("containerStatuses") or ():
                if container["name"] == state["part"] and "running" in (container.get("state") or {}):
                    return pod["metadata"]["name"], container["containerID"]
    return None, None


def held_by(api, namespace, cluster, states):
    """Host -> what ``drover held`` says there, of the workers that answer."""
    held = {}
    for state in states:
        if state["part"] == "worker" and state["ready"]:
            try:
                held[state["host"]] = ask(api, namespace, state, ["held", "--cluster", cluster])
            except DroverError:
                continue  # who tells nothing takes no part, which is told of then
    return held


def held_on_nodes(api, names):
    """Node -> bytes that the programs of the cluster hold there, as far as their pods tell: those of a standby that
    leads are more than its pod has requested."""
    held = {}
    for part in (WORKER, LEADER):
        for pod in api.list(place("Pod", names.namespace), labelSelector=selector_text(names.selector(part))):
            if (pod.get("status") or {}).get("phase") != "Running":
                continue
            node = pod["spec"].get("nodeName")
            state = {"host": node, "part": part, "pod": pod["metadata"]["name"], "problem": None}
            with suppress(DroverError):
                told = ask(api, names.namespace, state, ["held", "--cluster", names.cluster.name])
                held[node] = held.get(node, 0) + told["held_bytes"]
    return held


def running_of(api, namespace, cluster, states):
    """The plan by which the leader of a cluster that heals itself serves, and host -> why it takes no part. Raises
    DroverError where the leader does not tell."""
    leader = next(state for state in states if state["part"] == "leader")
    found = ask(api, namespace, leader, ["status", "--cluster", cluster, "--json"])
    told = read_told(found["told"])["workers"]
    return read_plan(found["plan"]), {host: worker["problem"] for host, worker in told.items() if worker["problem"]}


def healing_of(api, namespace, cluster, states):
    """What the leader's watch tells of a cluster that heals itself: the ``plan`` that it runs, and what was ``told``
    (see ``healing.told``); None where it does not, or tells nothing now."""
    for state in states:
        if state["part"] == "leader":
            try:
                return ask(api, namespace, state, ["status", "--cluster", cluster, "--json"])
            except DroverError:
                return None
    return None
