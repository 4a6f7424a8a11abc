"""Which account a run uses: its origin, its credential file, and the credential that a request
carries.

Order: one typed on the command line, the environment, the credential file. A key of the environment
goes to production, this machine or the origin in LGP_BASE_URL; a saved one to the origin it was
saved for. A typed profile uses what is saved in its file alone. No value is ever part of a message.
"""

import re
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote

from leadgenius.errors import CredentialError, LocalError, UsageError
from leadgenius.keyfile import Account, KeyFile
from leadgenius.scopes import PRODUCTION, clean_origin, is_loopback
from leadgenius.settings import Environ, Note, Settings, path_in

KEY_VARIABLES = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY")
_STORED = {  # its field, what it is called, and a key of the command line's table of hints
    "agent": ("api_key", "API key", "begin"),
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
        if path:
            try:
                with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123
                    return file.readline().strip(), f"{name}_FILE"
            except (OSError, ValueError) as error:
                raise LocalError(f"{name}_FILE, {path}: {error}.", code="permission") from None
    return None


class Keys:
    """The account that `environ`, its `settings` and what was typed name together, and its
    credentials for `origin`. With a typed `profile` no variable with a key counts. Their files are
    read once.

    `key` is one typed on the command line: it is used for every call but those of a login. Raises
    UsageError when two accounts are named, ValueError for a name or path that is none, LocalError
    for a file that is needed and cannot be used.
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
        self._given = {"agent": agent, "amplify": amplify}
        name, saved = profile or settings.profile, ""
        other = agent or amplify or variable(environ, "LGP_AUTH_FILE")
        if name and other:
            raise UsageError(
                f"A profile (--profile or LGP_PROFILE) and {other[1]} both name an account.",
                f"Leave out the profile, or unset {other[1]}.",
            )
        names = (*KEY_VARIABLES, "LGP_COMPANY_ID", "LGP_USER_ID")
        ignored = [one for one in names if environ.get(one) or environ.get(f"{one}_FILE")]
        if profile and ignored:
            words = f"--profile is given, so these variables are not used: {', '.join(ignored)}."
            on_note("note", words)
        if not re.fullmatch("[a-z0-9-]{0,32}", name):
            raise ValueError("A profile is named with 1 to 32 of a-z, 0-9 and -.")
        file = f"~/.leadgenius_auth.{name}.json" if name else "~/.leadgenius_auth.json"
        self.file = KeyFile(path_in(environ, "LGP_AUTH_FILE", file), on_note)
        try:
            stored = self.file.account
            if stored.token or stored.api_key or stored.amplify_api_key:
                saved = stored.base_url
        except LocalError as error:  # a key of a variable works without it
            on_note("warning", error.message)
        self.origin = clean_origin(base_url or settings.base_url or saved or PRODUCTION)
        if name and not base_url and saved not in ("", self.origin):
            raise UsageError(
                f"Profile {name} belongs to {saved}, and LGP_BASE_URL is {self.origin}.",
                "Unset LGP_BASE_URL, or leave out the profile.",
            )
        # Whether a key of a variable may go there.
        meant = (PRODUCTION, clean_origin(settings.base_url or PRODUCTION))
        self._allowed = self.origin in meant or is_loopback(self.origin)

    def find(self, kind: str) -> Credential:
        """The credential of `kind`, from the first place that supplies one.

        CredentialError (exit 3) when there is none, or one that cannot be sent; LocalError when the
        file is needed and cannot be used.
        """
        given, (field, noun, hint) = self._given.get(kind), _STORED[kind]
        if self.key is not None and kind != "jwt":
            found = self.key, "--key"
        elif given and self._allowed:
            found = given
        else:
            found = getattr(self.account, field), str(self.file.path)
            if not found[0]:
                if kind == "agent" and self.account.token:
                    hint = "get_key"
                why = f" ({given[1]} goes to {PRODUCTION} or LGP_BASE_URL only)" if given else ""
                raise CredentialError(
                    f"There is no {noun} for {self.origin}{why}.", hint, origin=self.origin
                )
        return Credential(kind, clean(*found), found[1])

    @property
    def account(self) -> Account:
        """What is stored for this origin."""
        account = self.file.account
        return account if account.base_url == self.origin else Account()

    def saved(self, name: str) -> str:
        """A field of the account, "" when the credentials in use come from elsewhere."""
        given = self.key is not None or (self._allowed and any(self._given.values()))
        return "" if given else str(getattr(self.account, name))

    def secrets(self) -> set[str]:
        """Every secret at hand, whether used yet or not."""
        found = [self.key, *map(self.environ.get, (*KEY_VARIABLES, "LGP_PASSWORD"))]
        found += [given[0] for given in self._given.values() if given]
        urls = " ".join(
            value
            for name, value in self.environ.items()
            if name == "LGP_LIMITER" or name.lower().endswith("_proxy")
        )
        found += re.findall(r"//[^/\s]*?:([^/\s]+)@", f"{urls} {unquote(urls)}")
        with suppress(LocalError):
            stored = self.file.account
            found += [stored.token, stored.api_key, stored.amplify_api_key]
            found += stored.previous_api_keys
        return {one for one in found if isinstance(one, str) and one}
