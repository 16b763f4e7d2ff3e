# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions that ask Kubernetes' API have in common."""

from __future__ import annotations

import json

from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.image import image_settings
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.manifests import KINDS
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.names import Names
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.selectors import selector_text
from ansible_collections.drover.llama.plugins.module_utils.kubernetes.settings import Settings
from ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api import Api

# Options of each of them.
CONNECTION = {"kubeconfig": {"type": "path", "required": True}, "context": {"type": "str", "default": ""}}
CLUSTER = {
    "cluster": {"type": "str", "default": "main"},
    "settings": {"type": "dict", "required": True},
    "images": {"type": "dict", "default": {}},
}
IMAGES = "kubernetes_images"
NO_IMAGE = (
    "Neither kubernetes_image is set nor are there images that images.yml made: run it, or name an image by digest."
)
# As the API spells what is not the kind with an s.
_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
# Kinds that a cluster need not know, nor its user be allowed to see, unless they are wished.
_OPTIONAL = (
    *("DaemonSet", "Ingress", "HTTPRoute", "EndpointSlice", "ServiceAccount", "NetworkPolicy"),
    *("Lease", "Role", "RoleBinding"),
)


def connect(given):
    """The API by the options."""
    return Api(given["kubeconfig"], given["context"])


def read_settings(given):
    """The settings by the options; the image is that of ``images``, unless one is named."""
    wishes, document = given["settings"], given["images"]
    if document and not wishes.get("image"):
        wishes = {**wishes, **image_settings(document, IMAGES)}
    if not wishes.get("image"):
        raise DroverError(NO_IMAGE)
    return Settings.from_dict(wishes)


def place(kind, namespace):
    """The path of the objects of a kind."""
    version = next(version for version, known in KINDS if known == kind)
    prefix = "/apis" if "/" in version else "/api"
    return f"{prefix}/{version}/namespaces/{namespace}/{_PLURALS.get(kind, kind.lower() + 's')}"


def present_objects(api, names):
    """All objects of the cluster that ``names`` are of, without what is secret in them."""
    found = []
    for _version, kind in KINDS:
        path = place(kind, names.namespace)
        try:
            found += api.list(path, kind, labelSelector=selector_text(names.selector()))
        except DroverError:
            if kind not in _OPTIONAL:
                raise
    return [{key: value for key, value in each.items() if each["kind"] != "Secret" or key != "data"} for each in found]


def lease_of(api, names, plan):
    """The Lease that tells who leads, where others stand by; else None."""
    return api.get(f"{place('Lease', names.namespace)}/{names.lease}") if "leaders" in plan else None


def named(kind, name, present):
    """The object of this kind and name, or None."""
    return next((each for each in present if (each["kind"], each["metadata"]["name"]) == (kind, name)), None)


def names_of(given, settings):
    """The names of the cluster's objects."""
    return Names(given["cluster"], settings.namespace)


def document_in(config_map, name):
    """The document in a ConfigMap, None for none; one that cannot be read is written anew anyway."""
    try:
        return json.loads(((config_map or {}).get("data") or {})[name])
    except (KeyError, ValueError):
        return None
