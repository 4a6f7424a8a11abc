"""Say in one line what is missing, before anything that needs it is imported.

This file and the three scripts run on any Python 3, so they keep to its oldest syntax: no f-strings, and no
annotation that an old one cannot evaluate.
"""

import os.path
import sys

OLDEST = (3, 10)


def check() -> None:
    """Leave with exit code 9 when this Python or the one package is not there to run the program."""
    problem = _problem()
    if problem:
        sys.stderr.write(problem + "\n")
        raise SystemExit(9)


def _problem() -> str:
    if sys.version_info < OLDEST:
        found = "%d.%d" % (sys.version_info[0], sys.version_info[1])
        return "Python %s is too old: Python 3.10 or newer is needed. Type: python3.10 %s …" % (found, sys.argv[0])
    from importlib.util import find_spec

    if find_spec("requests") is None:
        return "The Python package requests is missing. Type: " + _remedy()
    return ""


def _remedy() -> str:
    """The environment that README's first line makes, if it is there; else what installs the package here."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    ready = os.path.join(root, ".venv", "bin", "python")
    if os.path.exists(ready) and not sys.executable.startswith(os.path.dirname(ready)):
        return ready + " " + sys.argv[0] + " …"
    return sys.executable + " -m pip install requests   (or README's first line, for an environment of its own)"
