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
        return "The Python package requests is missing. Type: " + _remedy("-m pip install requests")
    if _numbers(found) < OLDEST_URLLIB3:
        return "urllib3 %s is too old. Type: %s" % (found, _remedy("-m pip install --upgrade requests urllib3"))
    return ""


def _remedy(install: str) -> str:
    """The environment that README's first line makes, if it is there; else what installs the package here."""
    import os.path

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    ready = os.path.join(root, ".venv", "bin", "python")
    if os.path.exists(ready) and os.path.realpath(sys.prefix) != os.path.realpath(os.path.join(root, ".venv")):
        return ready + " " + sys.argv[0] + " …"
    return sys.executable + " " + install + "   (or README's first line, which makes an environment of its own)"


def _numbers(version: str) -> "tuple[int, ...]":
    parts = version.split(".")[:2]
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
