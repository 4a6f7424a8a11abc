"""Where a credential comes from: the command line, the environment, then the credential file.

Order and origins: references/api_reference.md. A key from the environment goes only to production, to this machine,
or to the origin in LGP_BASE_URL; any other origin needs a credential that was saved for it. A JWT comes from a login
and so from the file alone. No value is ever part of a message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leadgenius.accounts import Account, origin_of
from leadgenius.credential_file import CredentialFile
from leadgenius.errors import CredentialError, LocalError, UsageError
from leadgenius.files import local_error, read_input
from leadgenius.scopes import PRODUCTION, may_take_environment_key

__all__ = (
    "KINDS",
    "Account",
    "Credential",
    "CredentialFile",
    "Credentials",
    "auth_path",
    "clean",
    "default_origin",
    "environment_credential",
    "variable",
)

KINDS = ("agent", "amplify", "jwt")  # of the scopes agent and admin; of system; of /agent-api-keys
DEFAULT_NAME = ".leadgenius_auth.json"

_VARIABLES = {"agent": ("LGP_API_KEY", "LEADGENIUS_API_KEY"), "amplify": ("LGP_AMPLIFY_API_KEY",), "jwt": ()}
_FIELDS = {"agent": "api_key", "amplify": "amplify_api_key", "jwt": "token"}
_NOUNS = {"agent": "API key", "amplify": "Amplify key", "jwt": "login"}
_IN_FILES = frozenset(("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_EMAIL", "LGP_PASSWORD"))
_FILE_LIMIT = 64 * 1024
_LONGEST_PIPE = 5.0  # seconds that the pipe of a process substitution may take to its end


@dataclass(frozen=True)
class Credential:
    """One secret to send. `kind` is of KINDS; `source` says where it came from: a variable, a file or an option."""

    kind: str
    value: str = field(repr=False)
    source: str
    stored: bool = False  # in the credential file, so what else is stored there belongs to the same account


def clean(value: str, name: str) -> str:
    """`value` without surrounding white space; CredentialError naming `name` unless it is visible ASCII.

    Only the place of the first bad character is told: requests' own error prints the whole header.
    """
    stripped = value.strip()
    hint = f"copy it into {name} again, in one line and without spaces"
    if not stripped:
        raise CredentialError(f"{name} is empty", hint=hint)
    bad = next((place for place, char in enumerate(stripped, 1) if not "!" <= char <= "~"), None)
    if bad is not None:
        raise CredentialError(f"{name} cannot be sent: its character {bad} is not visible ASCII", hint=hint)
    return stripped


def variable(environ: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """(value, name that supplied it) of the first of `names` that is set; blank counts as unset.

    Secrets and the e-mail may stand in a file instead: its first line, when NAME_FILE is set and NAME is not.
    Raises LocalError (exit 9) naming the path when that file cannot be read or its first line is empty.
    """
    for name in names:
        if environ.get(name, "").strip():
            return environ[name], name
        path = environ.get(f"{name}_FILE", "").strip() if name in _IN_FILES else ""
        if path:
            return _first_line(Path(path), f"{name}_FILE"), f"{name}_FILE"
    return None


def auth_path(environ: Mapping[str, str]) -> Path | None:
    """The credential file: LGP_AUTH_FILE, else ~/.leadgenius_auth.json; None when HOME is not set.

    A relative LGP_AUTH_FILE is a UsageError: the file would change with the current directory, and lie in it.
    """
    home = environ.get("HOME") or (environ.get("USERPROFILE", "") if os.name == "nt" else "")
    given = environ.get("LGP_AUTH_FILE", "").strip()
    if given.startswith("~/") and home:
        given = str(Path(home, given[2:]))
    if given and not Path(given).is_absolute():
        raise UsageError("LGP_AUTH_FILE must be an absolute path", hint="export LGP_AUTH_FILE=/path/to/auth.json")
    if given:
        return Path(given)
    return Path(home, DEFAULT_NAME) if Path(home).is_absolute() else None


def environment_credential(environ: Mapping[str, str], kind: str) -> Credential | None:
    """The credential of `kind` that the environment supplies, whatever origin it may go to."""
    found = variable(environ, *_VARIABLES[kind])
    return Credential(kind, clean(*found), found[1]) if found else None


def default_origin(environ: Mapping[str, str], file: CredentialFile) -> str:
    """The origin when neither --base-url nor LGP_BASE_URL gives one: the saved one, else production.

    A key in the environment works beside a broken credential file; its state is a warning then.
    """
    supplied = any(environment_credential(environ, kind) for kind in KINDS)
    return file.saved_origin(lenient=supplied) or PRODUCTION


class Credentials:
    """The credentials for one origin. `key` is one typed on the command line and wins over all.

    `program` is how the reader calls the CLI; hints begin their commands with it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        file: CredentialFile,
        *,
        origin: str = PRODUCTION,
        key: str | None = None,
        program: str = "lgp.py",
    ) -> None:
        self.origin = origin
        self.file = file
        self._environ = environ
        self._key = key
        self._program = program

    def find(self, kind: str) -> Credential:
        """The credential of `kind` for this origin; the file is read only when nothing before it supplies one.

        Raises CredentialError (exit 3, no_credential) when there is none, or one that cannot be sent; LocalError
        (exit 9) when the file is needed and cannot be used.
        """
        if self._key is not None:
            return Credential(kind, clean(self._key, "--key"), "--key")
        supplied = environment_credential(self._environ, kind)
        if supplied and self._may_go():
            return supplied
        account = self.file.account(self.origin)
        stored: str | None = getattr(account, _FIELDS[kind])
        if not stored:
            raise self._missing(kind, account, supplied)
        if supplied:
            self.file.note("note", f"{supplied.source} is not used: {self.origin} has a saved credential of its own")
        return Credential(kind, clean(stored, f"{_FIELDS[kind]} in {self._label()}"), self._label(), stored=True)

    def user_id(self, credential: Credential) -> str | None:
        """The user id to send beside `credential`: LGP_USER_ID, else the one stored together with it."""
        found = variable(self._environ, "LGP_USER_ID")
        if found:
            return clean(*found)
        stored = self.file.account(self.origin).user_id if credential.stored else None
        return clean(stored, f"user_id in {self._label()}") if stored else None

    def _may_go(self) -> bool:
        chosen = origin_of(self._environ.get("LGP_BASE_URL", ""))
        return may_take_environment_key(self.origin, chosen)

    def _label(self) -> str:
        path = self.file.path
        usual = path is not None and path == auth_path({"HOME": self._environ.get("HOME", "")})
        return f"~/{DEFAULT_NAME}" if usual else str(path)

    def _missing(self, kind: str, account: Account, supplied: Credential | None) -> CredentialError:
        message = f"no {_NOUNS[kind]} for {self.origin}"
        if supplied:
            message += f": {supplied.source} goes only to {PRODUCTION}, this machine or the origin in LGP_BASE_URL"
        elif kind == "agent" and account.token:
            message += ": the login alone does not authenticate this call"
        return CredentialError(message, hint=self._hint(kind, account, supplied), origin=self.origin)

    def _hint(self, kind: str, account: Account, supplied: Credential | None) -> str:
        """Both ways to get one: the environment, and what stores one for this origin."""
        at = "" if self.origin == PRODUCTION else f" --base-url {self.origin}"
        login = f"{self._program} auth --email YOU{at}"
        if kind == "jwt":
            return f"{login} (without a terminal: LGP_PASSWORD, or --password-stdin)"
        scope, sample = ("agent", "lgp_…") if kind == "agent" else ("system", "da2-…")
        first = f"export LGP_BASE_URL={self.origin}" if at else f"export {_VARIABLES[kind][0]}={sample}"
        if at and not supplied:
            first += f" {_VARIABLES[kind][0]}={sample}"
        make = f"{self._program} generate-key --name NAME{at}"
        make = make if account.token else f"{login}, then {make}"
        save = f"{self._program} auth save-key --scope {scope}{at}"
        return f"{first}, or: {make}, or: {save}" if kind == "agent" else f"{first}, or: {save}"


def _first_line(path: Path, name: str) -> str:
    """Read errors of a text carry the text, so nothing is raised while one is at hand."""
    try:
        raw = read_input(path, limit=_FILE_LIMIT, wait=_LONGEST_PIPE)
    except OSError as error:
        raise local_error(path, f"read ({name})", error) from error
    line = raw.partition(b"\n")[0].decode("utf-8-sig", errors="replace").rstrip("\r")
    if not line.strip() or "\ufffd" in line or "\0" in line:
        raise LocalError(f"{path} ({name}) has no text in its first line", hint="one line of UTF-8 text is expected")
    return line
