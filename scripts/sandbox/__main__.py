"""`python3 scripts/sandbox`: serve the sandbox on a loopback port and print the lines that point a shell at it."""

from __future__ import annotations

import argparse
import shlex
import signal
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # Python puts this folder there; the package is above it

from sandbox import demo  # noqa: E402
from sandbox.app import Sandbox, default_database  # noqa: E402
from sandbox.server import Server, serve  # noqa: E402

USAGE, LOCAL = 2, 9


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Returns 0, 2 for wrong options, 9 when the database or the port cannot be had."""
    signal.signal(signal.SIGTERM, _interrupt)
    args = _parser().parse_args(argv)
    try:
        server = serve(_sandbox(args), args.port)
    except ValueError as error:
        return _fail(USAGE, str(error))
    except sqlite3.Error as error:
        return _fail(LOCAL, f"the database {args.db} cannot be used: {error}; --reset makes it anew")
    except OSError as error:
        return _fail(LOCAL, f"{error.strerror or error}: {error.filename or f'port {args.port}'}")
    except KeyboardInterrupt:
        return 0
    with server:
        return _run(server, args.db)


def _run(server: Server, database: Path) -> int:
    try:
        _announce(server.server_port, database)
        server.serve_forever()
    except (KeyboardInterrupt, BrokenPipeError):
        print("sandbox: ended", file=sys.stderr)
    return 0


def _sandbox(args: argparse.Namespace) -> Sandbox:
    """Raises ValueError, OSError, sqlite3.Error."""
    if args.reset:
        demo.make(args.db, time.time(), reset=True)
        # Beside the default database lie the credentials of those who embed it; the new data does not know their keys.
        args.db.with_name("credentials.json").unlink(missing_ok=True)
    return Sandbox(args.db, limits=args.limits, rate_limit=not args.no_rate_limit, faults=args.fault)


def _announce(port: int, database: Path) -> None:
    for name, value in _variables(port).items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    print(f"sandbox: serving {database} on port {port}; the data is not real. Ctrl-C ends it.", file=sys.stderr)


def _variables(port: int) -> Mapping[str, str]:
    names = ("email", "password", "api_key", "amplify_api_key", "company_id")
    found = {f"LGP_{name.upper()}": demo.CREDENTIALS[name] for name in names}
    return {"LGP_BASE_URL": f"http://127.0.0.1:{port}", **found}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=_port, default=8787, help="port on 127.0.0.1; 0 takes a free one (8787)")
    where = "SQLite file (default: in the state directory)"
    parser.add_argument("--db", type=Path, default=default_database(), help=where)
    parser.add_argument("--no-rate-limit", action="store_true", help="admit every call")
    parser.add_argument("--limits", help="requests/seconds,… ; fixed: in front rehearses fixed windows")
    parser.add_argument("--reset", action="store_true", help="throw the data away and start with the demo data")
    parser.add_argument("--fault", action="append", default=[], metavar="'METHOD PATH=WHAT*N'", help=FAULT_HELP)
    return parser


FAULT_HELP = """fail on purpose, N times: WHAT is a status (503, 503:30 with Retry-After), reset, close, stall,
    truncate, badjson, html or applied-reset; METHOD may be ANY, * in PATH is one segment. Repeatable"""


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(code: int, message: str) -> int:
    print(f"sandbox: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
