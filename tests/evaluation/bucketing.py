"""Writes bucketing.json from an implementation that shares nothing with Tidegate's.

    pip install mmh3==5.3.1 cbor2==6.3.0 && python3 bucketing.py > bucketing.json

The output is frozen: this script is kept so that anybody can see where the vectors come from. If it
ever prints anything else than what is committed, the script is wrong, not the vectors.
"""

import json

import cbor2
import mmh3

ABOUT = (
    "FROZEN. bucket = (murmur3_x86_32(cbor(salt + '.' + unit), seed 0) * 100000) >> 32; the unit is repeated "
    "'repeat' times. Changing a line deals every unit of every installation anew: it is a breaking change and "
    "needs a decision record that replaces docs/decisions/2026-11-22-bucketing.md."
)

# The table of flagd's own v3 buckets first, then texts that are easy to get wrong.
UNITS = [
    ("salt1", "user-1", 1),
    ("ramp.s1", "user-42", 1),
    ("checkout.9f2c", "targeting-key-long-0001", 1),
    ("layer.L1", "x", 300),
    ("é", "ü-7", 1),
    ("checkout", "", 1),
    ("checkout", "user 1", 1),
    ("checkout", "a.b.c", 1),
    ("checkout.a", "b.c", 1),
    ("checkout", "用户-7", 1),
    ("checkout", "🌊", 1),
    ("checkout", "e\u0301", 1),
    ("checkout", "\u00e9", 1),
    ("checkout", "\u0000", 1),
    ("checkout", "user@example.com", 1),
    ("checkout", "0b9c7d3e-52a4-4d0e-9b42-6f1d8e3a7c55", 1),
]
# Text lengths around each change of the CBOR head; the salt and the dot are two bytes.
UNITS += [("s", "x", length - 2) for length in (22, 23, 24, 25, 254, 255, 256, 257, 65535, 65536, 65537)]
# Every length modulo four, many times over.
UNITS += [("even", f"user-{7**n}", 1) for n in range(60)]


def vector(salt, unit, repeat):
    text = cbor2.dumps(f"{salt}.{unit * repeat}", canonical=True)
    hashed = mmh3.hash(text, seed=0, signed=False)
    return {"salt": salt, "unit": unit, "repeat": repeat, "hash": hashed, "bucket": (hashed * 100_000) >> 32}


lines = ",\n".join("    " + json.dumps(vector(*unit)) for unit in UNITS)
print(f'{{\n  "about": {json.dumps(ABOUT)},\n  "vectors": [\n{lines}\n  ]\n}}')
