# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import io
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import OFFERER, PLACER, Names, digest
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.pods import DROVER, PYTHON
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.policies import OFFER_PORT
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.waiting import wait_for
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.weights_map import weights_map
from ansible_collections.drover.llama.plugins.module_utils.placement.document import read_plan
from ansible_collections.drover.llama.plugins.module_utils.telling.placed import placed_sentences
from ansible_collections.drover.llama.plugins.module_utils.weights.manifest import read_manifest
from ansible_collections.drover.llama.plugins.module_utils.weights.outlook import outlook
from ansible_collections.drover.llama.plugins.plugin_utils.brain_action import BrainAction
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_action import CONNECTION, connect
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_pods import Pod
from ansible_collections.drover.llama.plugins.plugin_utils.told import told_lines

START_SECONDS = 180
READ_SECONDS = 300
# Of hundreds of gigabytes over a slow network; the offer ends by itself when nobody has asked for a while.
PLACE_SECONDS = 24 * 3600
IDLE_SECONDS = 600
# A port that another offer has is free after a little more than a minute.
OFFER_SECONDS = 90
# NetworkPolicies hold for a new pod after a while.
REACH_SECONDS = 60
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"
BOUND = "the bytes of kubernetes_cache"
SENT = "The leader sends the weights."
SLOW = (
    "No weights are placed, since the image has nothing to read the model with but Python alone, which would take "
    f"long: make it anew with images.yml, which puts numpy into it. {SENT}"
)


class ActionModule(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            **CONNECTION,
            "placing": {"type": "dict", "required": True},
            "timeout": {"type": "int", "default": 1800},
        }
    )

    def answer(self, given):
        placing = given["placing"]
        names = Names(placing["plan"]["cluster"], placing["namespace"])
        filling = Filling(functools.partial(connect, given), names, placing, given["timeout"])
        try:
            weights, fetched = filling.fill()
        except DroverError as error:
            filling.told.append(f"No weights are placed: {error} {SENT}")
            return {"changed": False, "told": filling.told, "fetched_bytes": 0, "config_map": None}
        # What failed is tried again by the next run.
        noted = None if filling.failed else weights_map(names, weights, placing["mark"])
        return {"changed": fetched > 0, "told": filling.told, "fetched_bytes": fetched, "config_map": noted}


class Filling:
    """The caches of the workers in ``placing`` are filled once. ``told``: what people ought to know of it; ``failed``:
    whether something went wrong that may go well another time."""

    def __init__(self, api, names, placing, timeout):
        self._api, self._names, self._placing, self._timeout = api, names, placing, timeout
        self.told, self.failed = [], False

    def fill(self):
        """What each worker is to have, and how many bytes of tensors have come. Raises DroverError where nothing can
        be placed at all."""
        placing, nodes = self._placing, list(self._placing["placers"])
        offerer = self._pod(OFFERER, placing["offerer"])
        placers = {node: self._pod(PLACER, name) for node, name in placing["placers"].items()}
        with ThreadPoolExecutor(len(nodes) + 1) as pool:
            reads = pool.submit(self._read, offerer)
            looks = {node: pool.submit(self._look, placers[node], node) for node in nodes}
            found = self._each(looks)
            source, manifest = reads.result()
            if not manifest:
                self.told.append(SLOW)
            caches = {node: cache for node, (_address, cache) in found.items()}
            view = outlook(read_plan(placing["plan"]), manifest, caches, placing["spread"])
            weights = view["weights"]
            if not sum(view["missing_bytes"].values()):
                return weights, 0
            members = [address for address, _cache in found.values()]
            with self._offered(source, members) as secret:
                urls = [f"http://{source}:{OFFER_PORT}/{quote(file['name'])}" for file in manifest["files"]]
                sources = json.dumps([{"files": urls, "token": secret}])
                done = self._each(
                    {node: pool.submit(self._place, placers[node], weights[node], source, sources) for node in weights}
                )
        for node, each in sorted(done.items()):
            self.told += [f"The tensor cache of {node}: {line}" for line in placed_sentences(each, BOUND)]
        return weights, sum(each["fetched_bytes"] for each in done.values())

    def _each(self, futures):
        """Node -> what came of it; of those that failed it is told why."""
        found = {}
        for node, future in futures.items():
            try:
                found[node] = future.result()
            except DroverError as error:
                self.failed = True
                told = f"The tensor cache of {node} is not filled, so the leader sends it its weights: {error}"
                self.told.append(told)
        return found

    def _pod(self, part, name):
        return Pod(self._api(), self._names.namespace, name, part)

    def _read(self, offerer):
        """The address of the pod that has the model, and the model's manifest, empty where it would take long."""
        # It may bring the model from the web first.
        address = address_of(offerer.started(self._timeout))
        placing = self._placing
        command = [*DROVER, "manifest", "--quickly", "--model", placing["model"], "--directory", placing["manifests"]]
        command += ["--processes", str(placing["processes"])]
        manifest = json.loads(offerer.run(command, PLACE_SECONDS, enough=told_lines(offerer.name)))
        return address, read_manifest(manifest) if manifest else {}

    def _look(self, placer, node):
        """The address of a worker's pod, and what is in the cache there."""
        address = address_of(placer.started(START_SECONDS))
        self._give(placer, self._names.cluster.deployment_path, self._placing["deployments"][node])
        return address, json.loads(placer.run([*DROVER, "cached", "--cluster", self._names.cluster.name], READ_SECONDS))

    def _place(self, placer, weights, source, sources):
        self._give(placer, self._names.cluster.weights_path, weights)
        reach(placer, source)
        command = [*DROVER, "place", "--cluster", self._names.cluster.name]
        return json.loads(placer.run(command, PLACE_SECONDS, line=sources, enough=told_lines(placer.name)))

    def _give(self, placer, path, document):
        content = json.dumps(document, sort_keys=True).encode()
        placer.takes(path, len(content), digest(document), io.BytesIO(content), lambda *_much: None, READ_SECONDS)

    @contextmanager
    def _offered(self, address, members):
        """The model is offered meanwhile, to ``members`` who know the secret that this gives."""
        secret, over, listens = secrets.token_hex(32), threading.Event(), threading.Event()

        def enough(said, _complained):
            if said:
                listens.set()
            return over.is_set()

        command = [*DROVER, "offer", "--model", self._placing["model"], "--address", address]
        command += ["--port", str(OFFER_PORT), "--seconds", str(PLACE_SECONDS), "--idle", str(IDLE_SECONDS)]
        command += ["--allow", *members]
        # A connection of its own: what runs is listened to all the time.
        pod = self._pod(OFFERER, self._placing["offerer"])
        with ThreadPoolExecutor(1) as pool:
            offer = pool.submit(pod.run, command, PLACE_SECONDS, line=secret, enough=enough)
            try:
                late = f"The pod {pod.name} did not offer the model within {OFFER_SECONDS} seconds."
                wait_for(lambda: (listens.is_set() or offer.done() or None, {}, late), OFFER_SECONDS)
                if offer.done():
                    offer.result()
                yield secret
            finally:
                over.set()


def reach(placer, address):
    """Wait until the offer is reached. Raises DroverError where it is not."""

    def look():
        try:
            placer.run([PYTHON, "-c", REACH, address, str(OFFER_PORT)], READ_SECONDS)
        except DroverError as error:
            reason = str(error).rstrip(".")
            late = f"{placer.name} does not reach {address}:{OFFER_PORT} ({reason}): let pods of these nodes reach it."
            return None, {}, late
        return True, {}, ""

    wait_for(look, REACH_SECONDS)


def address_of(pod):
    """The address that Kubernetes gave a pod that runs."""
    return pod["status"]["podIP"]
