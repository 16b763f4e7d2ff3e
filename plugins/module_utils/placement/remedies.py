# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing when a model does not fit, and what would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..errors import DroverError
from ..footprint.settings import CACHE_TYPES, CONTEXT_PADDING, Settings
from ..text import size_text
from .fleet import Device, Host
from .problem import Problem

Remedy = dict[str, Any]

# Quantisations of the same model that are usually published, with their bits a weight.
# Upstream: the table in tools/quantize/README.md, for Llama 3.1 8B; other models are within a few per cent.
BITS_A_WEIGHT = (
    ("Q8_0", 8.5),
    ("Q6_K", 6.56),
    ("Q5_K_M", 5.7),
    ("Q4_K_M", 4.89),
    ("Q4_K_S", 4.67),
    ("IQ4_XS", 4.46),
    ("Q3_K_M", 4.0),
    ("IQ3_M", 3.76),
    ("Q2_K", 3.16),
    ("IQ2_M", 2.93),
)
SMALLEST_CONTEXT = 2048
SMALLER_CACHE_TYPES = ("q8_0", "q4_0")
# Nobody has more; where this does not help, nothing does.
MOST_MISSING_BYTES = 1 << 50
HOSTS_TO_GROW = 8


def missing_memory(problem: Problem) -> tuple[int, str | None]:
    """``(bytes, host)``: the least memory that, added to what one device of one host lends, lets the model fit, and of
    which host; ``(0, None)`` if none would. Exact to the byte: every amount is planned with."""
    least = MOST_MISSING_BYTES
    helped: Host | None = None
    for grow, host in _growable(problem):
        if grow(least - 1).fits():
            least, helped = _least(_fits_with(grow), least - 1), host
    return (least, helped.name) if helped else (0, None)


def remedies(problem: Problem, missing_bytes: int, short_host: str | None) -> list[Remedy]:
    """What would make the model fit, the cheapest first: dictionaries of ``kind``, ``text`` and what to set.

    ``missing_bytes`` and ``short_host`` are what ``missing_memory`` said. Every remedy was planned with; only the sizes
    of other quantisations are estimates.
    """
    if problem.fits():  # and only spread stands in the way
        return [
            {"kind": "spread", "text": "Set spread to auto, so that not every host must hold a part.", "spread": "auto"}
        ]
    found = [
        _smaller_context(problem),
        _smaller_cache(problem),
        _fewer_slots(problem),
        _smaller_cache_and_context(problem),
        _smaller_model(problem),
        _excluded_host(problem),
        _more_memory(missing_bytes, short_host),
        _another_host(problem),
    ]
    kinds = {remedy["kind"] for remedy in found if remedy}
    # Both at once only where neither is enough.
    if kinds & {"context", "cache"}:
        found = [remedy for remedy in found if not remedy or remedy["kind"] != "cache_and_context"]
    return [remedy for remedy in found if remedy]


def _smaller_context(problem: Problem) -> Remedy | None:
    settings = problem.settings
    step = CONTEXT_PADDING * settings.parallel
    steps = _most(
        lambda count: _fits(problem, context_size=count * step),
        SMALLEST_CONTEXT // CONTEXT_PADDING,
        settings.context_size // step,
    )
    if steps is None or steps * step >= settings.context_size:
        return None
    size = steps * step
    return {
        "kind": "context",
        "text": f"A context of at most {size} tokens instead of {settings.context_size}.",
        "context_size": size,
    }


def _smaller_cache(problem: Problem) -> Remedy | None:
    for cache_type in SMALLER_CACHE_TYPES:
        settings = _with_cache(problem.settings, cache_type)
        if settings and _fits(problem, **settings):
            return {
                "kind": "cache",
                "text": f"A KV cache of type {cache_type} (it needs flash attention; q8_0 costs next to no quality, "
                "q4_0 some).",
                **settings,
            }
    return None


def _smaller_cache_and_context(problem: Problem) -> Remedy | None:
    for cache_type in SMALLER_CACHE_TYPES:
        settings = _with_cache(problem.settings, cache_type)
        if settings:
            try:
                smaller = _smaller_context(problem.changed(policy=replace(problem.policy, **settings)))
            except DroverError:
                continue
            if smaller:
                return {
                    "kind": "cache_and_context",
                    "text": f"A KV cache of type {cache_type} and a context of at most {smaller['context_size']} "
                    "tokens.",
                    "context_size": smaller["context_size"],
                    **settings,
                }
    return None


def _fewer_slots(problem: Problem) -> Remedy | None:
    settings = problem.settings
    each = settings.context_size // settings.parallel
    slots = _most(lambda count: _fits(problem, parallel=count, context_size=count * each), 1, settings.parallel - 1)
    if slots is None:
        return None
    return {
        "kind": "slots",
        "text": f"{slots} of {settings.parallel} slots, each with its {each} tokens of context "
        f"(context_size {slots * each}).",
        "parallel": slots,
        "context_size": slots * each,
    }


def _smaller_model(problem: Problem) -> Remedy | None:
    model = problem.model
    bits_now = 8 * model["weight_bytes"] / max(1, model["parameter_count"])
    for name, bits in BITS_A_WEIGHT:
        if bits < bits_now * 0.98 and problem.changed(model=_requantised(model, bits / bits_now)).fits():
            size = round(model["file_bytes"] * bits / bits_now)
            return {
                "kind": "quantization",
                "text": f"The same model quantised to {name}, about {size_text(size)} (estimated).",
                "quantization": name,
                "file_bytes": size,
            }
    return None


def _excluded_host(problem: Problem) -> Remedy | None:
    """One of the hosts that the user left out, the largest first; the others have other reasons."""
    excluded = [host for host in problem.fleet if host.left_out_by_user]
    for host in sorted(excluded, key=lambda host: (-host.lent_capacity, host.name)):
        if _with(problem, host, excluded="").fits():
            return {
                "kind": "excluded",
                "text": f"Take {host.name} back in, which placement_exclude leaves out.",
                "host": host.name,
            }
    return None


def _more_memory(missing: int, host: str | None) -> Remedy | None:
    if not host:
        return None
    return {"kind": "memory", "text": f"{size_text(missing)} more memory on {host}.", "host": host, "bytes": missing}


def _another_host(problem: Problem) -> Remedy | None:
    """One more worker like the others, but for the memory that is asked for."""
    if not problem.takers:
        return None
    like = max(problem.takers, key=lambda host: (host.cpu.usable_bytes, host.name))

    def fits(usable: int) -> bool:
        cpu = replace(like.cpu, host="", usable_bytes=usable)
        return problem.changed(fleet=[replace(like, name="", cpu=cpu, gpus=(), lends=(cpu.id,)), *problem.fleet]).fits()

    if not fits(MOST_MISSING_BYTES):
        return None
    needed = _least(fits, MOST_MISSING_BYTES)
    return {"kind": "host", "text": f"One more host that lends {size_text(needed)}.", "bytes": needed}


# --- Trying ---------------------------------------------------------------------------------------------------------


def _fits(problem: Problem, **settings: Any) -> bool:
    try:
        return problem.changed(policy=replace(problem.policy, **settings)).fits()
    except DroverError:  # this model's rows cannot be quantised this way
        return False


def _fits_with(grow: Callable[[int], Problem]) -> Callable[[int], bool]:
    return lambda extra: grow(extra).fits()


def _least(fits: Callable[[int], bool], enough: int) -> int:
    """The least number from 1 that ``fits``, given one that does."""
    too_little = 0
    while enough - too_little > 1:
        middle = (too_little + enough) // 2
        if fits(middle):
            enough = middle
        else:
            too_little = middle
    return enough


def _most(fits: Callable[[int], bool], lowest: int, highest: int) -> int | None:
    """The greatest number in the range that ``fits``, or ``None``; smaller ones fit, too."""
    if lowest > highest or not fits(lowest):
        return None
    too_much = highest + 1
    while too_much - lowest > 1:
        middle = (lowest + too_much) // 2
        if fits(middle):
            lowest = middle
        else:
            too_much = middle
    return lowest


def _growable(problem: Problem) -> Iterator[tuple[Callable[[int], Problem], Host]]:
    """For the largest hosts, how the problem looks with more memory on one of their devices: ``(function, host)``."""
    largest = sorted(problem.takers, key=lambda host: (-host.lent_capacity, host.name))[:HOSTS_TO_GROW]
    for host in largest:
        yield _growing(problem, host, on_gpu=False), host
        if host.gpus:
            yield _growing(problem, host, on_gpu=True), host


def _growing(problem: Problem, host: Host, on_gpu: bool) -> Callable[[int], Problem]:
    def grown(device: Device, extra: int) -> Device:
        return replace(device, usable_bytes=device.usable_bytes + extra)

    def with_more(extra: int) -> Problem:
        # A GPU that works in the CPU's memory grows with it.
        cpu = host.cpu if on_gpu and not host.gpus[0].unified else grown(host.cpu, extra)
        gpus = (grown(host.gpus[0], extra), *host.gpus[1:]) if on_gpu else host.gpus
        return _with(problem, host, cpu=cpu, gpus=gpus)

    return with_more


def _with(problem: Problem, host: Host, **changes: Any) -> Problem:
    return problem.changed(fleet=[replace(one, **changes) if one is host else one for one in problem.fleet])


def _with_cache(settings: Settings, cache_type: str) -> dict[str, Any] | None:
    """What to set for a smaller cache, or ``None`` if the cache is as small already."""
    elements, size = CACHE_TYPES[cache_type]
    held = [CACHE_TYPES[one] for one in (settings.cache_type_k, settings.cache_type_v)]
    if all(size_now / elements_now <= size / elements for elements_now, size_now in held):
        return None
    flash = "auto" if settings.flash_attention == "off" else settings.flash_attention
    return {"cache_type_k": cache_type, "cache_type_v": cache_type, "flash_attention": flash}


def _requantised(model: dict[str, Any], ratio: float) -> dict[str, Any]:
    """The model with weights of another size, as good as one knows without its file."""
    smaller = dict(model)
    for key in ("file_bytes", "weight_bytes", "embedding_bytes", "output_bytes", "largest_output_tensor_bytes"):
        smaller[key] = round(model[key] * ratio)
    smaller["blocks"] = [
        {
            **block,
            **{key: round(block[key] * ratio) for key in ("weight_bytes", "largest_tensor_bytes", "expert_bytes")},
        }
        for block in model["blocks"]
    ]
    return smaller
