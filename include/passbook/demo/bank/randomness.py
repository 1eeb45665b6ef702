"""Random streams keyed by what they are for, so that no result depends on the order of work."""

from __future__ import annotations

import zlib

import numpy as np

WHOLE_BANK = 2**32 - 1
"""Block number of draws that belong to the bank and not to a block of customers."""


def stream(seed: int, block: int, *names: str | int) -> np.random.Generator:
    """Return the generator of one purpose in one block of customers.

    Parameters
    ----------
    seed : int
        Seed of the simulation, not negative.
    block : int
        Number of the block of customers, or `WHOLE_BANK`.
    *names : str or int
        What the stream draws, e.g. ``"transactions", 7`` for those of month 7.

    Notes
    -----
    Philox is counter-based (Salmon et al., 2011): its key alone, here hashed from seed, block and
    purpose, determines the whole stream.
    """
    purpose = zlib.crc32("/".join(map(str, names)).encode())
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence(seed, spawn_key=(block, purpose)))
    )
