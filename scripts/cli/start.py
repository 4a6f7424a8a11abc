"""Runs before everything else, on any Python 3: says in one line what is missing and what to
type."""

import sys

OLDEST = (3, 10)


def fail(message: str, hint: str) -> None:
    """Print the error, as JSON off a terminal, and leave with exit code 9."""
    if sys.stderr.isatty():
        sys.stderr.write("Error: " + message + "\nNext: " + hint + "\n")
    else:
        import json

        error = {"code": "setup", "message": message, "hint": hint, "exit_code": 9}
        sys.stderr.write(json.dumps({"error": error}) + "\n")
    sys.exit(9)


def check_python() -> None:
    """Exit 9 on a Python that is too old to read the rest."""
    if sys.version_info < OLDEST:
        fail(
            "Python %d.%d or newer is needed; this is %d.%d." % (OLDEST + sys.version_info[:2]),
            "uv run scripts/lgp.py --help   (or run it with a newer python3)",
        )


def run(main: object) -> int:
    """The exit code of `main()`; exit 9 with the line to type when requests is not installed."""
    try:
        return main()  # type: ignore[operator, no-any-return]
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("requests", "urllib3"):
            raise
        fail(
            "The package requests is not installed for this Python.",
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt, then"
            " .venv/bin/python scripts/lgp.py …   (or: uv run scripts/lgp.py …)",
        )
        return 9
