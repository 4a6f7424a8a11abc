"""Claims proved with real time, real processes and real kills: `python3 tests/proof [PART…]`.

A part prints its figures and says whether its claim held, the first line of its docstring. The exit
code is 1 when one did not. Without PART all of them run but mutation, which takes a quarter of an
hour in all.
"""

import argparse
import importlib
import sys
import time

from tools import SCRIPTS

PARTS = {
    "fleet": "fleet.over_sqlite",
    "redis": "fleet.over_redis",
    "day": "day.prove",
    "import": "importing.prove",
    "export": "exporting.prove",
    "count": "exporting.count",
    "disk": "damage.disk",
    "limiter": "damage.limiter",
    "log": "damage.log",
    "keyfile": "damage.keyfile",
    "completion": "shells.prove",
    "dashboard": "browser.prove",
    "mutation": "mutation.prove",
}


def main() -> int:
    about = argparse.ArgumentParser("python3 tests/proof", description=__doc__)
    about.formatter_class = argparse.RawDescriptionHelpFormatter
    about.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parts = about.parse_args().parts or [name for name in PARTS if name != "mutation"]
    if unknown := set(parts) - set(PARTS):
        about.error(f"there is no part {', '.join(unknown)}; --help lists them")
    sys.path.insert(1, str(SCRIPTS))
    found = [prove(name) for name in parts]
    print(", ".join(f"{found.count(word)} {word}" for word in ("held", "skipped", "FAILED")))
    return int("FAILED" in found)


def prove(name: str) -> str:
    module, _, function = PARTS[name].partition(".")
    work = getattr(importlib.import_module(module), function)
    print(f"{name}: {work.__doc__.splitlines()[0]}", flush=True)
    began = time.monotonic()
    held = work()
    word = "skipped" if held is None else "held" if held else "FAILED"
    print(f"{name}: {word} ({time.monotonic() - began:.0f} s)\n", flush=True)
    return word


if __name__ == "__main__":
    raise SystemExit(main())
