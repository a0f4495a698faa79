"""Memory that training on a CPU gives back to the system and asks for again at every step: it is kept instead."""

from __future__ import annotations

import ctypes

# <malloc.h> of the GNU C library.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER = 2**31 - 1
AT_A_TIME = 64 << 20


def keep_memory() -> bool:
    """Let this process keep what it frees, so that a step's tensors need not be mapped page by page each time.

    Returns:
        Whether the C library is one that can be told so.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(
        mallopt(name, value) for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, AT_A_TIME))
    )
