"""Which credential a request carries, where it comes from, and to which origin it may go.

Order: one typed on the command line, the environment, the credential file. A key of the environment
goes to production, this machine or the origin in LGP_BASE_URL; a saved one to the origin it was
saved for. A typed profile uses what is saved in its file alone. No value is ever part of a message.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from leadgenius import settings
from leadgenius.errors import CredentialError, LocalError, UsageError
from leadgenius.keyfile import KeyFile
from leadgenius.scopes import PRODUCTION, clean_origin, is_loopback

VARIABLES = {
    "agent": ("LGP_API_KEY", "LEADGENIUS_API_KEY"),
    "amplify": ("LGP_AMPLIFY_API_KEY",),
    "jwt": (),
}
KEY_VARIABLES = (*VARIABLES["agent"], *VARIABLES["amplify"])
_FIELDS = {"agent": "api_key", "amplify": "amplify_api_key", "jwt": "token"}
_NOUNS = {"agent": "API key", "amplify": "Amplify key", "jwt": "login"}
# keys of the command line's table
_HINTS = {"agent": "get_key", "amplify": "save_amplify_key", "jwt": "log_in"}


class Credential(NamedTuple):
    """One secret to send. `kind` is agent, amplify or jwt; `source` a variable, a file or an
    option.
    """

    kind: str
    value: str
    source: str

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind!r}, source={self.source!r})"


def clean(value: str, name: str) -> str:
    """`value` stripped. CredentialError naming `name` unless it is visible ASCII: requests' own
    error prints it.
    """
    stripped = value.strip()
    bad = next((place for place, char in enumerate(stripped, 1) if not "!" <= char <= "~"), 0)
    if bad or not stripped:
        problem = f"its character {bad} is not visible ASCII" if bad else "it is empty"
        hint = f"Copy it into {name} again, in one line and without spaces."
        raise CredentialError(f"{name} cannot be sent: {problem}.", hint=hint)
    return stripped


def variable(environ: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """settings.value, its errors as LocalError."""
    try:
        return settings.value(environ, *names)
    except (OSError, ValueError) as error:
        raise LocalError(f"{' or '.join(names)}, _FILE: {error}", code="permission") from None


def auth_path(environ: Mapping[str, str], profile: str = "") -> Path | None:
    """The credential file of a profile: LGP_AUTH_FILE, else `~/.leadgenius_auth.json`, else
    `~/.leadgenius_auth.NAME.json`; None when HOME is not set. UsageError for a wrong or
    contradicting name.
    """
    given = environ.get("LGP_AUTH_FILE", "").strip()
    home = environ.get("HOME") or (environ.get("USERPROFILE", "") if os.name == "nt" else "")
    if profile and not re.fullmatch("[a-z0-9-]{1,32}", profile):
        raise UsageError("A profile is named with 1 to 32 of a-z, 0-9 and -.", code="invalid_input")
    if profile and given:
        message = "A profile (--profile or LGP_PROFILE) and LGP_AUTH_FILE both name a file."
        raise UsageError(message, hint="Leave out the profile, or unset LGP_AUTH_FILE.")
    if given.startswith("~/") and home:
        given = home + given[1:]
    if given and not Path(given).is_absolute():
        raise UsageError("LGP_AUTH_FILE must be an absolute path.")
    if given:
        return Path(given)
    middle = f".{profile}" if profile else ""
    return Path(home, f".leadgenius_auth{middle}.json") if Path(home).is_absolute() else None


class Keys:
    """The credentials for `origin`. `key` is one typed on the command line, `saved_only` that a
    profile was typed: what the variables hold is not used then. Their files are read once.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        file: KeyFile,
        origin: str,
        key: str | None = None,
        saved_only: bool = False,
    ) -> None:
        self.origin, self.file, self.environ, self._key = origin, file, environ, key
        used = {} if saved_only else environ
        self._given = {kind: variable(used, *names) for kind, names in VARIABLES.items()}
        names = (*KEY_VARIABLES, "LGP_COMPANY_ID", "LGP_USER_ID")
        ignored = [name for name in names if environ.get(name) or environ.get(f"{name}_FILE")]
        if saved_only and ignored:
            words = f"--profile is given, so these variables are not used: {', '.join(ignored)}."
            file.note("note", words)
        try:
            meant = clean_origin(environ.get("LGP_BASE_URL") or PRODUCTION) == origin
        except UsageError:
            meant = False
        here = is_loopback(urlsplit(origin).hostname or "")
        self._allowed = meant or here or origin == PRODUCTION  # for keys of variables

    def find(self, kind: str) -> Credential:
        """The credential of `kind`; the file is read only when nothing before it supplies one.

        CredentialError (exit 3) when there is none, or one that cannot be sent; LocalError when the
        file is needed and cannot be used.
        """
        if self._key is not None and kind != "jwt":
            return Credential(kind, clean(self._key, "--key"), "--key")
        given, field = self._given[kind], _FIELDS[kind]
        if given and self._allowed:
            return Credential(kind, clean(*given), given[1])
        stored = self.saved_value(field)
        if not stored:
            raise self._missing(kind, given)
        if given:
            words = f"{given[1]} is not used: {self.origin} has a saved credential of its own."
            self.file.note("note", words)
        return Credential(kind, clean(stored, f"{field} in {self.file.path}"), str(self.file.path))

    def saved_value(self, name: str) -> str:
        """A field of the file's account, "" when that belongs to another origin."""
        account = self.file.account()
        return str(getattr(account, name)) if account.origin == self.origin else ""

    def saved(self, name: str) -> str:
        """A field of the file's account, "" when the credentials in use come from elsewhere."""
        given = self._key is not None or (self._allowed and any(self._given.values()))
        return "" if given else self.saved_value(name)

    def owner(self) -> str:
        """The e-mail that logged in, under which JWT calls are counted."""
        return self.saved_value("email")

    def secrets(self) -> set[str]:
        """Every secret at hand, whether used yet or not; those under 6 characters would mask
        ordinary words.
        """
        found = [self._key, *(self.environ.get(name) for name in (*KEY_VARIABLES, "LGP_PASSWORD"))]
        found += [given[0] for given in self._given.values() if given]
        for name, url in self.environ.items():
            if name.lower().endswith("_proxy") or name == "LGP_LIMITER":
                with contextlib.suppress(ValueError):
                    password = urlsplit(url).password or ""
                    found += [password, unquote(password)]
        with contextlib.suppress(LocalError):
            account = self.file.account()
            found += [account.token, account.api_key, account.amplify_api_key]
            found += account.previous_api_keys
        return {one.strip() for one in found if one and len(one.strip()) >= 6}

    def _missing(self, kind: str, ignored: tuple[str, str] | None) -> CredentialError:
        message, login = f"There is no {_NOUNS[kind]} for {self.origin}", self.saved_value("token")
        if ignored:
            message += f": {ignored[1]} goes only to {PRODUCTION}, this machine or LGP_BASE_URL"
        elif kind == "agent" and login:
            message += ": the login alone does not authenticate this call"
        hint = "begin" if kind == "agent" and not login else _HINTS[kind]
        return CredentialError(message + ".", hint=hint, origin=self.origin)
