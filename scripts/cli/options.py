"""The options: one table, from which the parsers, the variables, the help and completion are made
(cli/parser.py).

Global ones stand before or after the command alike; the later one wins. An option that does nothing
for the command at hand is an error: whoever typed it expected something.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leadgenius.settings import seconds


def number(text: str) -> int:
    """A whole number from 1 on. ValueError for anything else."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("it must be a whole number from 1 on.")
    return int(text)


def parts(text: str) -> list[str]:
    """What stands apart, or between commas; each once."""
    return list(dict.fromkeys(re.findall(r"[^,\s]+", text)))


class Option(NamedTuple):
    """`group` says which commands it serves; an API field that is given as a flag has none.

    Without a `metavar` it is a switch. `read` makes the value of a global option's text, `values`
    are all there are, `more` is for argparse.
    """

    name: str  # as typed, `-p --param`; a word after the command has no dashes
    group: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str
    values: Sequence[str] = ()
    more: Mapping[str, Any] = {}


# Groups of global options. What a command sends, prints or reads decides which serve it.
SENDING = frozenset({"always", "origin", "output", "send"})
GLOBAL = SENDING | {"list", "page", "wait", "yes"}
_KINDS = ("agent", "system")
OPTIONS = (
    # words after single commands
    Option("path_id", "id", "its id, or name=NAME", "ID"),
    Option("path_id", "some-ids", "their ids; also name=NAME", "ID", more={"nargs": "*"}),
    Option("name", "name", "as in the example", "NAME", more={"nargs": "*"}),
    Option("file", "import", "csv, jsonl or json", "FILE"),
    Option("method", "raw", "GET, POST, PUT or DELETE", "METHOD"),
    Option("endpoint", "raw", "/campaigns, campaigns, /api/agent/campaigns or a URL", "ENDPOINT"),
    # of single commands, typed behind their words
    Option("--ids", "ids", "ids, apart or with commas", "LEAD",
           more={"nargs": "+", "action": "extend"}),
    Option("--ids-from", "ids",
           "ids from a file or - (lines, json, jsonl, or csv with a column id)", "FILE"),
    Option("--data", "body", "the whole body; flags win over it", "JSON|@FILE|-"),
    Option("--ids-out", "change", "write the ids of what was made or changed there", "FILE"),
    Option("--todo-out", "change", "write the ids that failed or are still to do there", "FILE"),
    Option("--restart", "restart", "with --all --out: begin the export anew"),
    Option("--email", "login", "the account (else LGP_EMAIL, else a prompt)", "ADDRESS"),
    Option("--password", "login", "readable by others: prefer --password-stdin or LGP_PASSWORD",
           "PASSWORD"),
    Option("--password-stdin", "login", "read the password from standard input"),
    Option("--save", "login", "accepted for older scripts: the login is always saved"),
    Option("--check", "check", "ask the server what the keys may do"),
    Option("--keys", "keys", "drop the stored API keys too"),
    Option("--scope", "scope", "agent (lgp_…) or system (da2-…)", "SCOPE",
           values=_KINDS, more={"required": True, "choices": _KINDS}),
    Option("--show", "show", "print the key itself"),
    Option("--no-store", "no-store", "store nothing (needs --show)"),
    Option("--map", "import", 'e.g. "Work Email=email", "Name=firstName+lastName"', "COLUMN=FIELD",
           more={"action": "append"}),
    Option("--encoding", "import", "of the file, when it is not UTF-8, e.g. cp1252", "NAME"),
    Option("--client-id", "import", "the client of rows that name none", "ID"),
    Option("--campaign-id", "import", "the campaign of rows that name none", "ID"),
    Option("--skip-invalid", "import", "send the good rows although others are bad"),
    Option("--one-by-one", "import", "one request a row, where batches are not stored"),
    Option("--resend-unknown", "import", "send again what may have been stored"),
    Option("-p --param", "raw", "a query parameter; repeatable", "KEY=VALUE",
           more={"action": "append"}),
    Option("--scope", "raw", "instead of the path's own: agent, system, admin, root", "SCOPE",
           more={"choices": ("auto", *_KINDS, "admin", "root")}),
    Option("--include", "raw", "status and masked headers, on stderr"),
    Option("--key", "raw", "readable by other processes: prefer LGP_API_KEY", "KEY"),
    # global ones; those that are always taken stand in people's aliases
    Option("-h --help", "always", "what a command takes"),
    Option("--sandbox", "always", "the local sandbox: no account, invented data"),
    Option("--profile", "always", "another account, with its own credential file", "NAME"),
    Option("--base-url", "origin", "another server than the saved one or production", "URL"),
    Option("--format", "output", "one of json, jsonl, csv, table, ids", "FORMAT",
           values=("json", "jsonl", "csv", "table", "ids")),
    Option("--fields", "output", "exactly these columns, in this order", "A,B", parts),
    Option("--out", "output", "write to this .json, .jsonl or .csv file", "FILE", Path),
    Option("--excel", "output", "csv with a byte-order mark, for Excel"),
    Option("--csv-raw", "output", "leave csv cells that start like a formula as they are"),
    Option("--all", "list", "every row, with the largest pages"),
    Option("--max-items", "list", "at most this many rows", "N", number),
    Option("--where", "list", "only rows where this holds: = != ~ > < >= <=", "FIELD=VALUE",
           more={"action": "append"}),
    Option("--count", "list", "how many there are, exactly"),
    Option("--count-by", "list", "how many of each value of these fields", "A,B", parts),
    Option("--page", "page", "this page, counted from 1", "N", number),
    Option("--page-size", "list", "rows a page (at most 100; bulk lists 5000)", "N", number),
    Option("--wait", "wait", "follow the job to its end"),
    Option("--wait-time", "wait", "longest to follow a job (600s; off a terminal 100s)", "TIME",
           seconds),
    Option("--dry-run", "send", "print the request and stop; nothing is sent"),
    Option("--read-only", "send", "send nothing but reads and a login"),
    Option("--yes", "yes", "really delete; enrol, enrich, import over 25"),
    Option("--no-check", "send", "send what our schema does not know"),
    Option("--max-wait", "send", "longest sleep for any one request (default 75s)", "TIME",
           seconds),
    Option("--max-time", "send", "longest the whole command may run", "TIME", seconds),
    Option("--timeout", "send", "longest one request may take (default 60s)", "TIME",
           seconds),
    Option("--quiet", "always", "no notes and no progress on stderr"),
    Option("--verbose", "always", "show each attempt on stderr, secrets masked"),
)  # fmt: skip
# LGP_… stands in for these: none that confirms, redirects output or changes what a list means.
WITH_VARIABLE = frozenset(
    "sandbox profile base_url format read_only max_wait max_time timeout quiet no_check".split()  # noqa: SIM905
)
# Of each line one may be given. (--sandbox and --base-url: see leadgenius.connect.)
CONTRADICTIONS = (
    ("page", "all", "max_items", "count", "count_by"),
    ("page", "where"),
    ("quiet", "verbose"),
)
