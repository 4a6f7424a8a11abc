"""The credential file: JSON of one account, mode 0600, changed by one process at a time, replaced
whole.

    {"base_url": ORIGIN, "email", "token", "expires_at", "api_key", "amplify_api_key",
     "company_id", "user_id", "previous_api_keys": [...]}

Other keys stay where they are. No message, repr or exception of this module shows a value of the
file.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from leadgenius import files
from leadgenius.errors import LocalError, UsageError
from leadgenius.scopes import PRODUCTION, clean_origin
from leadgenius.settings import Note

PREVIOUS = "previous_api_keys"  # agent keys that were replaced, the newest last
FIELDS = (
    *("base_url", "email", "token", "expires_at", "api_key", "amplify_api_key", "company_id"),
    *("user_id", PREVIOUS),
)
LIMIT = 64 * 1024  # bytes
OLD_DEFAULT = "http://localhost:3000"  # older scripts wrote it, wherever the key came from


class Account(dict[str, Any]):
    """The document of a file; a field is an attribute as well, "" when no text is stored."""

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(name)
        found, usual = self.get(name), [] if name == PREVIOUS else ""
        return found if isinstance(found, type(usual)) else usual

    def __repr__(self) -> str:
        return "Account"


class KeyFile:
    """The file at `path`.

    Whatever reads or writes it may raise LocalError (exit 9): credential_file, permission, disk or
    locked. `on_note` is called with a level and a message.
    """

    def __init__(self, path: Path, on_note: Note = lambda level, message: None) -> None:
        self.path, self._on_note = path, on_note

    @cached_property
    def account(self) -> Account:
        """What is stored: read once, and again after a change of this process. What older scripts
        wrote is understood, and saved in the new form with the next change.
        """
        raw = files.read_private(self.path, LIMIT)  # a larger one is cut, and so no JSON
        if not raw:  # LGP_AUTH_FILE=$(mktemp) names an empty file
            return Account()
        if os.name == "posix" and self.path.stat().st_mode & 0o077:
            with suppress(OSError):
                self.path.chmod(0o600)
            self._on_note(
                "warning", f"Other users could read {self.path}; make sure it is 0600 now."
            )
        try:
            document = json.loads(raw)
            if not isinstance(document, dict):
                raise ValueError("it must hold one JSON object")
            account = Account(document)
            if account.base_url:
                account["base_url"] = clean_origin(account.base_url)
        except (ValueError, RecursionError, UsageError) as error:
            raise LocalError(
                f"{self.path} cannot be used: {error}",
                "Fix it, or move it away and log in again. A key in LGP_API_KEY works meanwhile.",
                code="credential_file",
            ) from None
        if account.token.startswith("lgp_"):
            key, older = account.api_key, account.token
            account.update({"token": "", "api_key": key or older, PREVIOUS: [older] if key else []})
        if isinstance(account.get("expires_at"), (int, float)):  # in a file of older scripts
            account["expires_at"] = str(account["expires_at"])
        if "layout" not in account and account.base_url in ("", OLD_DEFAULT):
            account["base_url"] = PRODUCTION
        return account

    def update(self, **changes: str) -> None:
        """Set fields of the account. Without any it proves that a change would be stored, before
        something is asked for that cannot be had twice.
        """
        with self._changing() as account:
            account.update(changes)

    def check_account(self, origin: str, email: str = "") -> bool:
        """Whether what is stored is of another origin or e-mail. UsageError when it has a key: this
        account needs a profile.
        """
        stored = self.account
        differs = email and stored.email and stored.email.casefold() != email.casefold()
        other = bool(differs) or stored.base_url != origin
        if other and (stored.api_key or stored.amplify_api_key):
            raise UsageError(
                f"{self.path} holds a key of another account: {stored.email} at {stored.base_url}.",
                "Add --profile NAME to keep this account in a file of its own.",
            )
        return other

    def store(self, origin: str, **fields: str) -> None:
        """Store a login (email, token, expires_at) or a key. An agent key that it replaces becomes
        the newest of `previous_api_keys`; nothing of another account stays. UsageError as
        check_account.
        """
        with self._changing() as account:
            if self.check_account(origin, fields.get("email", "")):
                for name in FIELDS:
                    account.pop(name, None)
            newest = fields.get("api_key", account.api_key)
            older = (*account.previous_api_keys, account.api_key)
            account[PREVIOUS] = [one for one in older if one not in ("", newest)]
            account.update(fields, base_url=origin)

    def logout(self, keys: bool = False) -> list[str]:
        """Remove the token, with `keys` everything. Returns the names that were removed."""
        with self._changing() as account:
            names = FIELDS if keys else ("token", "expires_at")
            return [name for name in names if account.pop(name, None)]

    @contextmanager
    def _changing(self) -> Iterator[Account]:
        """The account as it is on disk, under the lock; written back when the block ends well."""
        path = Path(os.path.realpath(self.path))
        with files.locked(path.with_name(f"{path.name}.lock"), wait=5.0):
            for left in path.parent.glob(f".{path.name}.*.tmp"):  # of a writer that was killed
                left.unlink(missing_ok=True)
            vars(self).pop("account", None)
            try:
                yield self.account
                self.account["layout"] = 2  # a base_url that means what it says
                files.write_private(path, json.dumps(self.account, indent=2))
            finally:
                vars(self).pop("account", None)
