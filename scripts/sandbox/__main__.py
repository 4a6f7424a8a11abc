"""Serve a local LeadGenius Pro with demo data on 127.0.0.1: no account, no network, nothing real.

python3 scripts/sandbox              serves until Ctrl-C, prints lines that point a shell at it
python3 scripts/sandbox -- COMMAND…  serves, runs COMMAND with its origin and demo credentials
                                     as variables, and ends with the exit code of COMMAND
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(
    Path(__file__).resolve().parent.parent
)  # Python puts this folder there; the package is above it

from leadgenius import settings  # noqa: E402
from sandbox import demo, faults  # noqa: E402
from sandbox.app import Sandbox  # noqa: E402
from sandbox.server import Server  # noqa: E402

USAGE, LOCAL = 2, 9
PORT = 8787
NAMES = ("email", "password", "api_key", "amplify_api_key", "company_id")
CODES = "exit codes: 2 wrong options, 9 the database or the port cannot be had, else COMMAND's"
# Variables of the user's account, which a command against the sandbox must not see.
PRIVATE = re.compile("LGP_.*_FILE|LGP_(PROFILE|SANDBOX|USER_ID|LIMITER)|LEADGENIUS_.*")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted, or while the command runs. Returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    end = given.index("--") if "--" in given else len(given)
    args, command = _parser().parse_args(given[:end]), given[end + 1 :]
    try:
        if "--" in given and not command:
            raise ValueError("-- must be followed by a command")
        database = args.db or _default_database()
        # A command is pointed at its port, so any free one will do.
        port = args.port if args.port is not None else 0 if command else PORT
        server = Server(_sandbox(args, database), port)
    except (ValueError, OverflowError) as error:
        return _fail(USAGE, str(error))
    except sqlite3.Error as error:
        return _fail(LOCAL, f"the database cannot be used: {error}; --reset makes it anew")
    except OSError as error:
        return _fail(LOCAL, f"{error.strerror or error}: {error.filename or f'port {port}'}")
    except KeyboardInterrupt:
        return 0
    with server:
        return _run(server, command, args) if command else _serve(server, database)


def _default_database() -> Path:
    return settings.state_dir(os.environ) / "sandbox" / "sandbox.sqlite3"


def _sandbox(args: argparse.Namespace, database: Path) -> Sandbox:
    """Raises ValueError, OSError, sqlite3.Error."""
    options = {
        name: getattr(args, name) for name in ("limits", "rate_limit", "faults", "allow_duplicates")
    }
    if args.reset:
        demo.make(database, time.time(), args.demo_leads, reset=True)
        # Beside the default database, and only there, lie the credentials of those who embed it.
        # The new data does not know their keys.
        for path in () if args.db else database.parent.glob(".leadgenius_auth*.json"):
            path.unlink()
    sandbox = Sandbox(database, demo_leads=args.demo_leads, **options)
    if args.demo_leads is not None and not args.reset and not sandbox.is_new:
        _note(f"the data in {database} stays as it is; --reset makes it anew")
    return sandbox


def _serve(server: Server, database: Path) -> int:
    try:
        for company, mark in (("", ""), ("other_", "# ")):
            for name, value in _variables(server, company).items():
                print(f"{mark}export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        _note(f"serving {database}, not real data. # is a second company. Ctrl-C ends it.")
        server.serve_forever()
    except (KeyboardInterrupt, BrokenPipeError):
        _note("ended")
    return 0


def _variables(server: Server, company: str) -> dict[str, str]:
    found = {f"LGP_{name.upper()}": demo.CREDENTIALS[company + name] for name in NAMES}
    return {"LGP_BASE_URL": f"http://127.0.0.1:{server.server_port}", **found}


def _run(server: Server, command: Sequence[str], args: argparse.Namespace) -> int:
    """Run the command against the server with credentials and a state of its own.

    Signals are the command's.
    """
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="leadgenius-") as folder:
        # The command paces itself: by what it meets here.
        limits = args.limits or os.environ.get("LGP_RATE_LIMITS") or settings.DEFAULT_WINDOWS
        own = {
            "LGP_STATE_DIR": folder,
            "LGP_AUTH_FILE": str(Path(folder, "credentials.json")),
            "LGP_RATE_LIMITS": limits.removeprefix("fixed:") if args.rate_limit else "1000000/1",
        }
        kept = {name: os.environ[name] for name in os.environ if not PRIVATE.fullmatch(name)}
        environ = {**kept, **_variables(server, ""), **own}
        try:
            process = subprocess.Popen(command, env=environ)
        except OSError as error:
            return _fail(LOCAL, f"{command[0]}: {error.strerror}")
        # A terminal's Ctrl-C reaches the command by itself.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    server.shutdown()
    return code if code >= 0 else 128 - code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox",
        usage="%(prog)s [options] [-- COMMAND…]",
        description=__doc__,
        epilog=f"{faults.__doc__}\n{CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--port",
        type=_number,
        help=f"port on 127.0.0.1; 0 takes a free one (default {PORT}; with COMMAND 0)",
    )
    add(
        "--db",
        type=Path,
        metavar="PATH",
        help="SQLite file (default: sandbox/sandbox.sqlite3 in the state directory)",
    )
    add("--reset", action="store_true", help="throw the data away and start with the demo data")
    add(
        "--demo-leads",
        type=_number,
        help=f"leads of the main company in new data (default {demo.LEADS})",
    )
    add(
        "--limits",
        metavar="LIMITS",
        help="requests/seconds,… such as 5/10; fixed:5/10 is a window that opens at once",
    )
    add(
        "--no-rate-limit",
        action="store_false",
        dest="rate_limit",
        help="count no calls, send no X-RateLimit headers",
    )
    add(
        "--allow-duplicates", action="store_true", help="take the same e-mail twice within a client"
    )
    add(
        "--fault",
        action="append",
        default=[],
        dest="faults",
        metavar="'METHOD PATH=WHAT*N'",
        help="fail on purpose, see below",
    )
    return parser


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,7}", text):
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def _note(message: str) -> None:
    print(f"sandbox: {message}", file=sys.stderr)


def _fail(code: int, message: str) -> int:
    _note(message)
    return code


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # also where a shell started this in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
