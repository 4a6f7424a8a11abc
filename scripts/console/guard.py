"""Say in one line what is missing, before anything that needs it is imported.

This file and the three scripts run on any Python 3, so they keep to its oldest syntax: no f-strings, and no
annotation that an old one cannot evaluate.
"""

import sys

OLDEST = (3, 10)
OLDEST_URLLIB3 = (2, 6)  # older ones inflate a whole compressed answer in one read


def check() -> None:
    """Leave with exit code 9 when this Python or the one package cannot run the program."""
    problem = _problem()
    if problem:
        sys.stderr.write(problem + "\n")
        raise SystemExit(9)


def _problem() -> str:
    if sys.version_info < OLDEST:
        return "Python %d.%d is too old: Python 3.10 or newer is needed. Type: python3.10 %s" % (
            sys.version_info[0],
            sys.version_info[1],
            sys.argv[0] + " …",
        )
    from importlib import metadata

    try:
        metadata.version("requests")
        found = metadata.version("urllib3")
    except metadata.PackageNotFoundError:
        return "The Python package requests is missing. Type: %s -m pip install requests" % sys.executable
    if _numbers(found) < OLDEST_URLLIB3:
        return "urllib3 %s is too old. Type: %s -m pip install --upgrade requests urllib3" % (found, sys.executable)
    return ""


def _numbers(version: str) -> "tuple[int, ...]":
    parts = version.split(".")[:2]
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
