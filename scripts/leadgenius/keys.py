"""Which account a run uses: its origin, its credential file, and the credential that a request
carries.

Order: one typed on the command line, the environment, the credential file. A key of the environment
goes to production, this machine or the origin in LGP_BASE_URL; a saved one to the origin it was
saved for. A typed profile uses what is saved in its file alone. No value is ever part of a message.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from leadgenius.errors import CredentialError, LocalError, UsageError
from leadgenius.keyfile import SECRETS, Account, KeyFile
from leadgenius.scopes import PRODUCTION, clean_origin, is_loopback
from leadgenius.settings import Environ, Note, Settings, path_in

KEY_VARIABLES = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY")
_STORED = {  # its field, what it is called, and a key of the command line's table of hints
    "agent": ("api_key", "API key", "get_key"),
    "amplify": ("amplify_api_key", "Amplify key", "save_amplify_key"),
    "jwt": ("token", "login", "log_in"),
}


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
    if not re.fullmatch("[!-~]+", stripped):
        raise CredentialError(
            f"{name} cannot be sent: it is empty, or not visible ASCII throughout.",
            f"Copy it into {name} again, in one line and without spaces.",
        )
    return stripped


def variable(environ: Environ, *names: str) -> tuple[str, str] | None:
    """(value, the variable that supplied it) of the first of `names` that is set; blank is unset.

    NAME_FILE names a file, or a pipe such as /dev/fd/63, whose first line is the value; whose it is
    does not matter, because secrets are mounted from elsewhere. LocalError when there is none.
    """
    for name in names:
        value, path = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
        if value:
            return value, name
        if not path:
            continue
        problem = "its first line is empty"
        try:
            with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123
                value = file.readline().strip()
        except (OSError, ValueError) as error:
            problem = str(error)
        if not value:
            raise LocalError(f"{name}_FILE, {path}: {problem}.", code="permission")
        return value, f"{name}_FILE"
    return None


def auth_path(environ: Environ, profile: str = "") -> Path:
    """The credential file of a profile: LGP_AUTH_FILE, else `~/.leadgenius_auth.json`, else
    `~/.leadgenius_auth.NAME.json`. UsageError for a wrong or contradicting name.
    """
    if profile and not re.fullmatch("[a-z0-9-]{1,32}", profile):
        raise UsageError("A profile is named with 1 to 32 of a-z, 0-9 and -.", code="invalid_input")
    if profile and environ.get("LGP_AUTH_FILE", "").strip():
        raise UsageError(
            "A profile (--profile or LGP_PROFILE) and LGP_AUTH_FILE both name a file.",
            "Leave out the profile, or unset LGP_AUTH_FILE.",
        )
    middle = f".{profile}" if profile else ""
    try:
        return path_in(environ, "LGP_AUTH_FILE", f"~/.leadgenius_auth{middle}.json")
    except ValueError as error:
        raise UsageError(str(error)) from None


class Keys:
    """The account that `environ`, its `settings` and what was typed name together, and its
    credentials for `origin`. With a typed `profile` no variable counts. Their files are read once.

    `key` is one typed on the command line: it is used for every call but those of a login. Raises
    UsageError when two accounts are named, LocalError for a file that is needed and cannot be used.
    """

    def __init__(
        self,
        environ: Environ,
        settings: Settings,
        on_note: Note,
        profile: str | None = None,
        base_url: str | None = None,
        key: str | None = None,
    ) -> None:
        self.environ, self.key = environ, key
        used = {} if profile else environ
        agent, amplify = variable(used, *KEY_VARIABLES[:2]), variable(used, KEY_VARIABLES[2])
        self._given, any_key = {"agent": agent, "amplify": amplify}, agent or amplify
        if settings.profile and any_key:
            raise UsageError(
                f"LGP_PROFILE and {any_key[1]} both say which account is meant.",
                f"Unset one of them, or choose with --profile {settings.profile}.",
            )
        name, saved = profile or settings.profile, ""
        self.file = KeyFile(auth_path(environ, name), on_note)
        meant = clean_origin(settings.base_url or PRODUCTION)
        try:
            account = self.file.account()
            saved = account.base_url if any(map(account.get, SECRETS)) else ""
        except LocalError as error:  # a key of a variable works without it
            on_note("warning", error.message)
        self.origin = clean_origin(base_url or settings.base_url or saved or PRODUCTION)
        if name and not base_url and saved not in ("", self.origin):
            raise UsageError(
                f"Profile {name} belongs to {saved}, and LGP_BASE_URL is {self.origin}.",
                "Unset LGP_BASE_URL, or leave out the profile.",
            )
        # Whether a key of a variable may go there.
        self._allowed = self.origin in (meant, PRODUCTION) or is_loopback(self.origin)
        names = (*KEY_VARIABLES, "LGP_COMPANY_ID", "LGP_USER_ID")
        ignored = [one for one in names if environ.get(one) or environ.get(f"{one}_FILE")]
        if profile and ignored:
            on_note(
                "note",
                f"--profile is given, so these variables are not used: {', '.join(ignored)}.",
            )

    def find(self, kind: str) -> Credential:
        """The credential of `kind`; the file is read only when nothing before it supplies one.

        CredentialError (exit 3) when there is none, or one that cannot be sent; LocalError when the
        file is needed and cannot be used.
        """
        if self.key is not None and kind != "jwt":
            return Credential(kind, clean(self.key, "--key"), "--key")
        given, (field, noun, hint) = self._given.get(kind), _STORED[kind]
        if given and self._allowed:
            return Credential(kind, clean(*given), given[1])
        account = self.account()
        stored, source = getattr(account, field), str(self.file.path)
        if stored:
            return Credential(kind, clean(stored, f"{field} in {source}"), source)
        message = f"There is no {noun} for {self.origin}"
        if given:
            message += f": {given[1]} goes only to {PRODUCTION}, this machine or LGP_BASE_URL"
        elif kind == "agent" and not account.token:
            hint = "begin"
        raise CredentialError(message + ".", hint, origin=self.origin)

    def account(self) -> Account:
        """What is stored for this origin."""
        account = self.file.account()
        return account if account.base_url == self.origin else Account()

    def saved(self, name: str) -> str:
        """A field of the account, "" when the credentials in use come from elsewhere."""
        given = self.key is not None or (self._allowed and any(self._given.values()))
        return "" if given else str(getattr(self.account(), name))

    def secrets(self) -> set[str]:
        """Every secret at hand, whether used yet or not."""
        found = [self.key, *map(self.environ.get, (*KEY_VARIABLES, "LGP_PASSWORD"))]
        found += [given[0] for given in self._given.values() if given]
        urls = " ".join(self.environ.values())  # of proxies, and LGP_LIMITER
        for password in re.findall(r"//[^/\s]*?:([^/\s]+)@", urls):
            found += [password, unquote(password)]
        with suppress(LocalError):
            account = self.file.account()
            found += [*map(account.get, SECRETS), *account.previous_api_keys]
        return {one for one in found if one}
