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
from leadgenius.keyfile import Account, KeyFile
from leadgenius.scopes import PRODUCTION, clean_origin, is_loopback

VARIABLES = {
    "agent": ("LGP_API_KEY", "LEADGENIUS_API_KEY"),
    "amplify": ("LGP_AMPLIFY_API_KEY",),
    "jwt": (),
}
KEY_VARIABLES = (*VARIABLES["agent"], *VARIABLES["amplify"])
_FIELDS = {"agent": "api_key", "amplify": "amplify_api_key", "jwt": "token"}
_NOUNS = {"agent": "API key", "amplify": "Amplify key", "jwt": "login"}
_HINTS = {
    "agent": "get_key",
    "amplify": "save_amplify_key",
    "jwt": "log_in",
}  # keys of the command line's table


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
    except OSError as error:
        message = (
            f"{error.filename} ({' or '.join(names)}, …_FILE) cannot be read: {error.strerror}."
        )
        raise LocalError(message, code="permission") from None
    except ValueError as error:
        raise LocalError(str(error), hint="One line of UTF-8 text is expected.") from None


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
        hint = "Leave out the profile, or unset LGP_AUTH_FILE."
        raise UsageError(
            "A profile (--profile or LGP_PROFILE) and LGP_AUTH_FILE both name a file.", hint=hint
        )
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
    profile was typed.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        file: KeyFile,
        origin: str,
        key: str | None = None,
        saved_only: bool = False,
    ) -> None:
        self.origin, self.file = origin, file
        self.environ, self._key, self._saved_only = environ, key, saved_only

    def find(self, kind: str) -> Credential:
        """The credential of `kind`; the file is read only when nothing before it supplies one.

        CredentialError (exit 3) when there is none, or one that cannot be sent; LocalError when the
        file is needed and cannot be used.
        """
        if self._key is not None and kind != "jwt":
            return Credential(kind, clean(self._key, "--key"), "--key")
        supplied = None if self._saved_only else variable(self.environ, *VARIABLES[kind])
        if supplied and self._may_take():
            return Credential(kind, clean(*supplied), supplied[1])
        account = self._account()
        stored: str = getattr(account, _FIELDS[kind], "")
        if not stored:
            raise self._missing(kind, account, supplied)
        if supplied:
            self.file.note(
                "note",
                f"{supplied[1]} is not used: {self.origin} has a saved credential of its own.",
            )
        return Credential(
            kind, clean(stored, f"{_FIELDS[kind]} in {self.file.path}"), str(self.file.path)
        )

    def saved(self, name: str) -> str:
        """A field of the file's account, "" when the credentials in use come from elsewhere."""
        supplied = not self._saved_only and variable(self.environ, *KEY_VARIABLES)
        if self._key is not None or (supplied and self._may_take()):
            return ""
        return str(getattr(self._account(), name, ""))

    def owner(self) -> str:
        """The e-mail that logged in, under which JWT calls are counted."""
        account = self._account()
        return account.email if account else ""

    def secrets(self) -> set[str]:
        """Every secret at hand, whether used yet or not; those under 6 characters would mask
        ordinary words.
        """
        found = [self._key]
        for name in (*KEY_VARIABLES, "LGP_PASSWORD"):
            try:
                found.append((variable(self.environ, name) or ("",))[0])
            except LocalError:
                continue
        for name, url in self.environ.items():
            if name.lower().endswith("_proxy") or name == "LGP_LIMITER":
                with contextlib.suppress(ValueError):
                    password = urlsplit(url).password or ""
                    found += [password, unquote(password)]
        try:
            account = self.file.account()
            found += [
                account.token,
                account.api_key,
                account.amplify_api_key,
                *account.previous_api_keys,
            ]
        except LocalError:
            pass
        return {one.strip() for one in found if one and len(one.strip()) >= 6}

    def note_ignored(self) -> None:
        """Name the variables that a typed profile leaves out."""
        names = (
            *KEY_VARIABLES,
            *(f"{name}_FILE" for name in KEY_VARIABLES),
            "LGP_COMPANY_ID",
            "LGP_USER_ID",
        )
        ignored = [name for name in names if self.environ.get(name)]
        if ignored:
            self.file.note(
                "note",
                f"--profile is given, so these variables are not used: {', '.join(ignored)}.",
            )

    def _may_take(self) -> bool:
        """Whether a key from the environment may go to this origin."""
        if self.origin == PRODUCTION or is_loopback(urlsplit(self.origin).hostname or ""):
            return True
        try:
            return clean_origin(self.environ.get("LGP_BASE_URL", "")) == self.origin
        except UsageError:
            return False

    def _account(self) -> Account | None:
        account = self.file.account()
        return account if account.origin == self.origin else None

    def _missing(
        self, kind: str, account: Account | None, supplied: tuple[str, str] | None
    ) -> CredentialError:
        message = f"There is no {_NOUNS[kind]} for {self.origin}"
        if supplied:
            message += f": {supplied[1]} goes only to {PRODUCTION}, this machine or LGP_BASE_URL"
        elif kind == "agent" and account and account.token:
            message += ": the login alone does not authenticate this call"
        return CredentialError(message + ".", hint=_HINTS[kind], origin=self.origin)
