# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast known cards are: the memory's bandwidth, which bounds generating, and arithmetic, which bounds prompts.

Figures are the makers' for the card as it is sold, from the papers that are named above each family. Where a maker
prints the rate with sparsity, half of it is here. Nothing in the table was measured. The first entry whose pattern is
found in the card's name counts. Cards for laptops are sold under the names of larger ones, and with whatever memory and
power the laptop's maker chose: they are in no table.
"""

from __future__ import annotations

import re

GB = 1_000_000_000
TERA = 1_000_000_000_000

# Pattern of the name -> bytes a second, and operations a second in dense 16-bit matrix products.
CARDS: tuple[tuple[str, int, int], ...] = (
    # NVIDIA, data centre. Each card's own data sheet ("NVIDIA H100 Tensor Core GPU" and so on); of B200 and GB200 the
    # "NVIDIA Blackwell Architecture Technical Brief".
    (r"GB200|B200", 8000 * GB, 2250 * TERA),
    (r"GH200", 4000 * GB, 989 * TERA),
    (r"H200", 4800 * GB, 989 * TERA),
    (r"H100 (80GB HBM3|SXM)", 3350 * GB, 989 * TERA),
    (r"H100 NVL", 3900 * GB, 835 * TERA),
    (r"H100", 2000 * GB, 756 * TERA),
    (r"A100.*80GB", 1935 * GB, 312 * TERA),
    (r"A100", 1555 * GB, 312 * TERA),
    (r"V100", 900 * GB, 125 * TERA),
    (r"P100", 732 * GB, 19 * TERA),
    (r"L40S", 864 * GB, 362 * TERA),
    (r"\bL40\b", 864 * GB, 181 * TERA),
    (r"\bL4\b", 300 * GB, 121 * TERA),
    (r"A10G?\b", 600 * GB, 125 * TERA),
    (r"A16\b", 200 * GB, 18 * TERA),
    (r"A2\b", 200 * GB, 18 * TERA),
    (r"Tesla T4", 320 * GB, 65 * TERA),
    # Matrix products in 32 bits there: 16 bits are slower on these chips.
    (r"P40\b", 347 * GB, 12 * TERA),
    (r"P4\b", 192 * GB, 5 * TERA),
    (r"M40\b", 288 * GB, 7 * TERA),
    # NVIDIA, workstation. Each card's own data sheet; of the RTX PRO 6000 it gives 4-bit arithmetic with sparsity, of
    # which this is an eighth.
    (r"RTX PRO 6000", 1792 * GB, 500 * TERA),
    (r"RTX 6000 Ada", 960 * GB, 364 * TERA),
    (r"RTX A6000", 768 * GB, 155 * TERA),
    (r"RTX A5000", 768 * GB, 111 * TERA),
    (r"RTX A4000", 448 * GB, 77 * TERA),
    (r"RTX A2000", 288 * GB, 32 * TERA),
    # NVIDIA, GeForce. The white papers "NVIDIA RTX Blackwell GPU Architecture", "NVIDIA Ada GPU Architecture", "NVIDIA
    # Ampere GA102 GPU Architecture" and "NVIDIA Turing GPU Architecture" (FP16 Tensor with FP32 accumulate); for cards
    # that are not in them, and for those without tensor cores, whose figure is that of FP32, the product pages.
    (r"RTX 5090", 1792 * GB, 210 * TERA),
    (r"RTX 5080", 960 * GB, 112 * TERA),
    (r"RTX 5070 Ti", 896 * GB, 88 * TERA),
    (r"RTX 5070", 672 * GB, 62 * TERA),
    (r"RTX 5060", 448 * GB, 38 * TERA),
    (r"RTX 4090", 1008 * GB, 165 * TERA),
    (r"RTX 4080", 717 * GB, 97 * TERA),
    (r"RTX 4070 Ti SUPER", 672 * GB, 88 * TERA),
    (r"RTX 4070", 504 * GB, 58 * TERA),
    (r"RTX 4060 Ti", 288 * GB, 44 * TERA),
    (r"RTX 4060", 272 * GB, 30 * TERA),
    (r"RTX 3090 Ti", 1008 * GB, 80 * TERA),
    (r"RTX 3090", 936 * GB, 71 * TERA),
    (r"RTX 3080 Ti", 912 * GB, 68 * TERA),
    (r"RTX 3080", 760 * GB, 59 * TERA),
    (r"RTX 3070 Ti", 608 * GB, 43 * TERA),
    (r"RTX 3070", 448 * GB, 40 * TERA),
    (r"RTX 3060 Ti", 448 * GB, 32 * TERA),
    (r"RTX 3060", 360 * GB, 25 * TERA),
    (r"RTX 3050", 224 * GB, 18 * TERA),
    (r"RTX 2080 Ti", 616 * GB, 54 * TERA),
    (r"RTX 20[678]0", 448 * GB, 30 * TERA),
    (r"GTX 16[56]0", 192 * GB, 5 * TERA),
    (r"GTX 1080 Ti", 484 * GB, 11 * TERA),
    (r"GTX 10[78]0", 256 * GB, 6 * TERA),
    (r"GTX 1060", 192 * GB, 4 * TERA),
    (r"GTX 1050", 112 * GB, 2 * TERA),
    # NVIDIA, memory shared with the processor. Bandwidths: the data sheets of DGX Spark, Jetson Thor, Jetson AGX Orin
    # and Jetson AGX Xavier. These give arithmetic for 4 or 8 bits: the figures here are low guesses.
    (r"\bGB10\b", 273 * GB, 100 * TERA),
    (r"Thor", 273 * GB, 100 * TERA),
    (r"Orin", 204 * GB, 20 * TERA),
    (r"Xavier", 137 * GB, 10 * TERA),
    # AMD. The data sheets "AMD Instinct MI300X Accelerator" and so on (MI250: one of its two dies), and the product
    # specifications of Radeon RX.
    (r"MI3(55|50)X?", 8000 * GB, 2300 * TERA),
    (r"MI325X", 6000 * GB, 1307 * TERA),
    (r"MI300X", 5300 * GB, 1307 * TERA),
    (r"MI300A", 5300 * GB, 980 * TERA),
    (r"MI2[15]0", 1638 * GB, 181 * TERA),
    (r"MI100", 1228 * GB, 184 * TERA),
    (r"MI[56]0", 1024 * GB, 26 * TERA),
    (r"RX 9070", 640 * GB, 95 * TERA),
    (r"RX 7900 XTX", 960 * GB, 122 * TERA),
    (r"RX 7900", 800 * GB, 103 * TERA),
    (r"RX 7[78]00", 432 * GB, 70 * TERA),
    (r"RX 7600", 288 * GB, 43 * TERA),
    (r"RX 6[89]\d0", 512 * GB, 40 * TERA),
    (r"RX 67\d0", 384 * GB, 26 * TERA),
    (r"RX 66\d0", 224 * GB, 17 * TERA),
    # Intel. Bandwidths: Intel's product specifications (ARK). Arithmetic: no more than half of the 8-bit rate there.
    (r"Arc.*B580", 456 * GB, 96 * TERA),
    (r"Arc.*A770", 560 * GB, 130 * TERA),
    (r"Arc.*A7[35]0", 512 * GB, 110 * TERA),
    (r"Arc.*A380", 186 * GB, 32 * TERA),
)


LAPTOP = re.compile(r"\bLaptop\b|\bMobile\b|Max-Q")
# A slice of MIG has so many sevenths of its card's multiprocessors ("3g", of which a
# compute instance, "1c.3g", has fewer), and this share of its memory.
# Source: NVIDIA's user guide to MIG, profiles of A100, H100 and H200.
MIG = re.compile(r" MIG (?:(?P<computes>\d)c\.)?(?P<sevenths>\d)g\.")
MIG_MEMORY = {1: 1 / 8, 2: 1 / 4, 3: 1 / 2, 4: 1 / 2, 7: 1.0}


def card_bandwidth(name: str) -> int | None:
    """Bytes that the card of this name reads from its memory in a second; None for one that is not in the table."""
    known = _known(name)
    return known[0] if known else None


def card_operations(name: str) -> int | None:
    """Operations a second of the card of this name in matrix products; None for one that is not in the table."""
    known = _known(name)
    return known[1] if known else None


def _known(name: str) -> tuple[int, int] | None:
    if LAPTOP.search(name):
        return None
    known = next(((speed, work) for pattern, speed, work in CARDS if re.search(pattern, name)), None)
    part = MIG.search(name)
    if known and part:
        memory = MIG_MEMORY.get(int(part["sevenths"]), 1 / 8)
        return int(known[0] * memory), known[1] * int(part["computes"] or part["sevenths"]) // 7
    return known
