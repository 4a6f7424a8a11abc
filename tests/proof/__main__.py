"""Claims proved with real time, real processes and real kills: `python3 tests/proof [NAME…]`. Minutes, run by hand.

Every module beside this one is a proof. Its docstring's first line is the claim; `prove()` prints what it measured and
returns whether the claim held. The exit code is 1 if any did not.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent


def main(names: list[str]) -> int:
    known = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    if unknown := set(names) - set(known):
        print(f"no such proof: {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    sys.path[:0] = [str(HERE), str(TESTS), str(TESTS.parent / "scripts")]
    held = [prove(name) for name in names or known]
    print(f"{sum(held)} of {len(held)} proofs held")
    return 0 if all(held) else 1


def prove(name: str) -> bool:
    module = importlib.import_module(name)
    print(f"{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
    began = time.monotonic()
    held = bool(module.prove())
    print(f"{name}: {'held' if held else 'DID NOT HOLD'} ({time.monotonic() - began:.0f} s)\n", flush=True)
    return held


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
