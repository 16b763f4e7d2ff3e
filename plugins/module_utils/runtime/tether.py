# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that the kernel kills when the one that started it ends, whatever program it has become by then.

The parent alone holds the writing end of a pipe, and the kernel tells the owner of the reading end when that is closed:
by the signal of its choice (fcntl(2), F_SETSIG).
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

from ..errors import DroverError


def tie(descriptor: int) -> None:
    """Have this process killed when nobody holds the other end of the pipe ``descriptor`` any more. Raises DroverError
    where that is so already."""
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([descriptor], [], [], 0)[0]:
        raise DroverError("Whoever has started this leader, and had the lease, has ended.")
