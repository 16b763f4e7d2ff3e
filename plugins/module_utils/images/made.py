# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the images are made already, and the document of all of them, ``images.json``."""

from __future__ import annotations

import hashlib
import json
import os

from .. import checks
from ..errors import DroverError
from .builds import choose_builds
from .containerfile import RUNTIME_FOLDER
from .inside import PROGRAMS
from .layout import index_of
from .recipe import make_recipe, translated_programs

SCHEMA = 1
_REMEDY = "have it made again with llama_image_refresh"
_IMAGE: checks.Fields = {
    "id": (str,),
    "architecture": (str,),
    "name": (str,),
    "label": (str,),
    "place": (str, type(None)),
    "tag": (str,),
    "reference": (str,),
    "mediaType": (str,),
    "digest": (str,),
    "size": (int,),
    "file": (str,),
    "sha256": (str,),
    "size_bytes": (int,),
    "programs": (dict,),
}
_DOCUMENT: checks.Fields = {"name": (str,), "tag": (str,), "index": (dict,), "images": (dict,)}


def plan_images(settings: dict, offers: dict, builder: dict, runtime: dict) -> dict:
    """What is to be made of what ``settings`` say: the recipes (see recipe.py) of the images that are ``missing`` in
    the folder ``settings["cache"]`` (with ``refresh``, of all), and the ``document`` once none is.

    Recipes whose programs the builder can run come first, since the programs of others are told by theirs. Beside what
    recipe.py reads, ``settings`` have ``architectures``, ``method``, ``builds`` and ``refresh``.
    """
    architectures = sorted(
        {checks.choice(name, "llama_image_architectures", ("amd64", "arm64")) for name in settings["architectures"]}
    )
    if not architectures:
        raise DroverError("llama_image_architectures is empty: list amd64, arm64 or both.")
    builds = choose_builds(settings["method"], architectures, settings["builds"], offers, settings["cache"])
    recipes = [make_recipe(name, builds[name], settings, builder, runtime) for name in architectures]
    recipes.sort(key=lambda recipe: (not recipe["asked"], recipe["architecture"]))
    if not recipes[0]["asked"]:
        raise DroverError(
            f"The builder runs no programs for {recipes[0]['architecture']}, so nobody can say what llama.cpp can do "
            f"there: add {builder['architecture']} to llama_image_architectures, or make the image on such a machine."
        )
    made = {recipe["architecture"]: read_image(settings["cache"], recipe["id"]) for recipe in recipes}
    missing = [recipe for recipe in recipes if settings["refresh"] or made[recipe["architecture"]] is None]
    first = made[recipes[0]["architecture"]]
    for recipe in missing:
        if first and not recipe["asked"]:
            text = json.dumps(translated_programs(first, recipe), indent=1, sort_keys=True) + "\n"
            recipe["texts"][f"{RUNTIME_FOLDER}/{PROGRAMS}"] = text
    images = [image for image in made.values() if image]
    return {"missing": missing, "document": None if missing else make_document(images)}


def read_image(cache: str, identity: str) -> dict | None:
    """The image that the recipe of this id has made (as ``pack_image`` describes it), or None when it is not there."""
    path = os.path.join(cache, f"{identity}.json")
    try:
        with open(path, encoding="utf-8") as file:
            found = checks.document(json.load(file), path, SCHEMA, _IMAGE, _REMEDY)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DroverError(f"{path} cannot be read ({error}): remove it, and {_REMEDY}.") from error
    archive = os.path.join(cache, found["file"])
    return found if os.path.isfile(archive) and os.path.getsize(archive) == found["size_bytes"] else None


def make_document(images: list[dict]) -> dict:
    """The document of ``images`` of several architectures: ``schema``, ``name``, ``tag``, ``index`` (``digest`` and the
    ``reference`` that a registry has it by) and ``images`` by architecture. Raises DroverError for unequal builds."""
    first = images[0]
    versions = [[image["programs"][field] for field in ("version", "build", "rpc_protocol")] for image in images]
    for image, version in zip(images, versions):
        if version != versions[0]:
            raise DroverError(
                f"The image for {first['architecture']} has llama.cpp {versions[0]} and the one for "
                f"{image['architecture']} {version} (version, build, RPC protocol), and RPC works between "
                "equal builds only: give the same release for each, or have both made again with llama_image_refresh."
            )
    digest = hashlib.sha256(index_of(images)).hexdigest()
    return {
        "schema": SCHEMA,
        "name": first["name"],
        "tag": f"{first['label']}-{digest[:12]}",
        "index": {"digest": f"sha256:{digest}", "reference": f"{first['name']}@sha256:{digest}"},
        "images": {image["architecture"]: image for image in images},
    }


def read_document(value: object, what: str) -> dict:
    """The document ``value`` of images, which the reader knows as ``what``, with every image in it."""
    found = checks.document(value, what, SCHEMA, _DOCUMENT, "make the images with drover.llama.images")
    for architecture, image in found["images"].items():
        checks.document(image, f"The image for {architecture} in {what}", SCHEMA, _IMAGE, _REMEDY)
    return found
