# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FNV-1a over many bytes at once, with numpy.

The hash is a chain, ``h' = (h ^ b) * p mod 2^64``, but ``h ^ b`` changes only the low byte ``l`` of ``h``: with
``x = l ^ b`` it is ``h + x - l``. So once all ``l`` are known the rest is a sum,
``h_n = h_0 p^n + sum of (x_i - l_i) p^(n-i)``.

The low bytes are a chain of their own, ``l' = 0xb3 * x mod 256``, and in it bit ``k`` depends on itself only by xor:
``l'[k] = l[k] ^ b[k] ^ G(x[0..k-1])``, where G is what the multiplication adds to it from lower bits. So bit by bit,
from the lowest, each is a running xor.

A block is turned into eight planes, one of each bit, and after the last plane back into bytes. What is where in time:
word ``w`` of plane ``k`` has in bit ``m`` of its byte ``j`` the bit of the byte ``(m * words + w) * 8 + j``.
"""

from __future__ import annotations

import importlib
from typing import Any

from .fnv import BASIS, MASK, PRIME, fnv1a

# Few enough bytes that all buffers stay in a processor's cache, many enough that numpy's calls do not count.
BLOCK = 1 << 20
# Bytes of a row, over which sums of products are exact in 32-bit floating point: 255 * 255 * 256 < 2^24.
ROW = 256
_EVERY_BYTE = 0x0101010101010101
# Of the transposition: how far apart bits change places, and which ones.
_SWAPS = ((4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333), (1, 0x5555555555555555))


class NumpyHash:
    """A hasher for blocks of up to ``BLOCK`` bytes. Holds its buffers, so that one thread uses it at a time.

    Raises ImportError where there is no numpy.
    """

    def __init__(self) -> None:
        self._np: Any = importlib.import_module("numpy")
        np, words = self._np, BLOCK // 64
        self._mixed = np.empty((8, words), np.uint64)
        self._low = np.empty((8, words), np.uint64)
        self._tripled = np.empty((4, words), np.uint64)
        self._scratch = np.empty((4, words), np.uint64)
        self._differences = np.empty(BLOCK, np.int16)
        self._terms = np.empty(BLOCK, np.float32)
        # p^256 ... p^1, each as eight bytes, and the powers that rows are worth.
        powers = [pow(PRIME, ROW - place, 1 << 64) for place in range(ROW)]
        self._pieces = np.array([[power >> 8 * piece & 255 for piece in range(8)] for power in powers], np.float32)
        count = BLOCK // ROW
        self._rows = np.array([pow(PRIME, ROW * (count - 1 - row), 1 << 64) for row in range(count)], np.uint64)
        self._shifts = np.arange(0, 64, 8, dtype=np.uint64)

    def __call__(self, data: bytes | memoryview, state: int = BASIS) -> int:
        """The state after ``data``, which follows what gave ``state``: the same as ``fnv.fnv1a``."""
        view = memoryview(data)
        whole = len(view) // ROW * ROW
        for start in range(0, whole, BLOCK):
            state = self._block(self._np.frombuffer(view[start : min(start + BLOCK, whole)], self._np.uint8), state)
        return fnv1a(view[whole:], state)

    def _block(self, data: Any, state: int) -> int:
        """The state after ``data``, whole rows of bytes."""
        mixed, low = (each.reshape(-1)[: data.size // 8].reshape(8, -1) for each in (self._mixed, self._low))
        mixed.reshape(-1)[:] = data.view("<u8")
        self._transpose(mixed, low)
        self._find_low_bytes(mixed, low, state & 255)
        self._transpose(low, mixed)
        met = low.reshape(-1).astype("<u8", copy=False).view(self._np.uint8)
        return (state * pow(PRIME, data.size, 1 << 64) + self._sum(data, met)) & MASK

    def _transpose(self, words: Any, spare: Any) -> None:
        """Of eight arrays of words, let bit ``k`` of each byte of array ``m`` and bit ``m`` of array ``k`` change
        places. What is in ``spare`` is lost."""
        np, spare = self._np, spare.reshape(-1)
        for shift, mask in _SWAPS:
            pairs = words.reshape(4 // shift, 2, shift, -1)
            first, second = pairs[:, 0], pairs[:, 1]
            moved = spare[: first.size].reshape(first.shape)
            np.right_shift(first, np.uint64(shift), out=moved)
            moved ^= second
            moved &= np.uint64(mask)
            second ^= moved
            np.left_shift(moved, np.uint64(shift), out=moved)
            first ^= moved

    def _find_low_bytes(self, mixed: Any, low: Any, first: int) -> None:
        """Find in ``low`` the planes of the low bytes, of which one is ``first``, that the data in ``mixed`` meets; in
        ``mixed`` are then the planes of ``x``.

        0xb3 x = 17 (3 x) + 128 x. ``tripled`` are the four low bits of 3 x; ``carry`` and ``carry17`` come from the bit
        below in 3 x and in 17 (3 x).
        """
        np, words = self._np, mixed.shape[1]
        tripled = self._tripled[:, :words]
        changes, carry, carry17, spare = (row[:words] for row in self._scratch)
        carry[:] = carry17[:] = 0
        for k in range(8):
            if k == 0:
                changes[:] = mixed[0]
            else:
                np.bitwise_xor(mixed[k], mixed[k - 1], out=changes)
            if k > 1:
                changes ^= carry
            if k >= 4:
                changes ^= tripled[k - 4]
            if k > 4:
                changes ^= carry17
            if k == 7:
                changes ^= mixed[0]
            self._run(changes, first >> k & 1, low[k], spare)
            mixed[k] ^= low[k]
            if k == 0:
                tripled[0] = mixed[0]
            elif k < 4:
                self._add(mixed[k], mixed[k - 1], carry, tripled[k], spare)
            elif k < 7:
                self._add(mixed[k], mixed[k - 1], carry, changes, spare)
                # Of 17 (3 x) only what it carries matters.
                self._add(changes, tripled[k - 4], carry17, low[7], spare)

    def _add(self, one: Any, other: Any, carry: Any, total: Any, spare: Any) -> None:
        """One bit of a sum, into ``total``; what it carries into the next, into ``carry``."""
        np = self._np
        np.bitwise_xor(one, other, out=spare)
        np.bitwise_xor(spare, carry, out=total)
        carry &= spare
        np.bitwise_and(one, other, out=spare)
        carry ^= spare

    def _run(self, changes: Any, first: int, running: Any, spare: Any) -> None:
        """``running``: the bit ``first``, changed by all ``changes`` that come before in time."""
        np = self._np
        for shift in (8, 16, 32):  # over the bytes of a word
            np.left_shift(changes, np.uint64(shift), out=spare)
            changes ^= spare
        np.bitwise_xor.accumulate(changes, out=spare)
        spare >>= np.uint64(56)
        total = int(spare[-1])
        # Each of the eight bits of a byte is a stretch of time, which begins as the one before ends.
        beginning = 0
        for stretch in range(8):
            beginning |= first << stretch
            first ^= total >> stretch & 1
        spare ^= np.uint64(beginning)
        spare *= np.uint64(_EVERY_BYTE)
        np.left_shift(changes, np.uint64(8), out=running)
        running[0] ^= np.uint64(beginning * _EVERY_BYTE)
        running[1:] ^= spare[:-1]

    def _sum(self, data: Any, low: Any) -> int:
        """The sum of ``(x_i - l_i) p^(n-i)``, modulo 2^64 once it is reduced; ``low`` are the bytes ``l``."""
        np = self._np
        mixed = self._mixed.reshape(-1).view(np.uint8)[: data.size]
        np.bitwise_xor(data, low, out=mixed)
        differences, terms = self._differences[: data.size], self._terms[: data.size]
        np.subtract(mixed, low, out=differences, dtype=np.int16)
        terms[:] = differences
        sums = (terms.reshape(-1, ROW) @ self._pieces).astype(np.int64).view(np.uint64)
        sums <<= self._shifts
        rows = sums.sum(axis=1, dtype=np.uint64)
        rows *= self._rows[-rows.size :]
        return int(rows.sum(dtype=np.uint64))
