"""Pseudonyms and sealed values of many customers, in blocks, beside the usual way row by row.

The other side calls `hmac` and AES-GCM anew for every row of a sample, with a drawn nonce, as a
function applied to a pandas column would. Prints one JSON line; rates are customers a second of
one process, which is what a stage has while Postgres takes the rows.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import resource
import time
from collections.abc import Callable
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passbook.privacy.keys import KeyRing, derived
from passbook.privacy.pseudonyms import pseudonyms
from passbook.privacy.sealing import Sealer

KEY = bytes(range(32))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--block-rows", type=int, default=250_000)
    parser.add_argument("--features", type=int, default=3, help="Sealed float32 values a row.")
    parser.add_argument("--sample-rows", type=int, default=100_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    sealer = Sealer(KeyRing({1: KEY}), "credit_score_record", date(2022, 12, 4))
    named = sealed = 0.0
    for start in range(0, options.rows, options.block_rows):
        rows = min(options.block_rows, options.rows - start)
        ids = pa.array(pd.Series(np.arange(start, start + rows)).astype(str).str.zfill(10))
        content = rng.random((rows, options.features), np.float32).view(np.uint8)
        named += timed(partial(pseudonyms, ids, KEY))
        sealed += timed(partial(sealer.seal, ids, content))
    frame = pd.DataFrame({"customer": ids.to_pandas(), "value": list(map(bytes, content))})
    frame = frame.head(options.sample_rows)
    usual_key = derived(KEY, "passbook pseudonym")

    def usual_pseudonym(customer: str) -> str:
        return hmac.new(usual_key, customer.encode(), hashlib.sha256).hexdigest()

    def usual_seal(row: pd.Series) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(KEY).encrypt(nonce, row["value"], row["customer"].encode())

    usual_named = timed(lambda: frame["customer"].map(usual_pseudonym)) / len(frame)
    usual_sealed = timed(lambda: frame.apply(usual_seal, axis=1)) / len(frame)
    print(
        json.dumps(
            {
                "rows": options.rows,
                "pseudonym_seconds": round(named, 1),
                "seal_seconds": round(sealed, 1),
                "pseudonyms_per_second": round(options.rows / named),
                "usual_pseudonyms_per_second": round(1 / usual_named),
                "pseudonym_ratio": round(usual_named * options.rows / named, 2),
                "sealed_per_second": round(options.rows / sealed),
                "usual_sealed_per_second": round(1 / usual_sealed),
                "seal_ratio": round(usual_sealed * options.rows / sealed, 2),
                "peak_memory_gb": round(
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
