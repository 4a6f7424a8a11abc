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
from pathlib import Path
from typing import Any

from leadgenius import files
from leadgenius.errors import LocalError, UsageError
from leadgenius.scopes import PRODUCTION, clean_origin
from leadgenius.settings import Note

LIMIT = 64 * 1024  # bytes; a larger file was not written by this program
SECRETS = ("token", "api_key", "amplify_api_key")
PREVIOUS = "previous_api_keys"  # agent keys that were replaced, the newest last
FIELDS = {  # and their types; older scripts wrote a number as expires_at
    **dict.fromkeys(("base_url", "email", "company_id", "user_id", *SECRETS), str),
    PREVIOUS: list,
    "expires_at": object,
}
NOTHING = dict.fromkeys(FIELDS)  # of one account may be sent for another
OLD_DEFAULT = "http://localhost:3000"  # older scripts wrote it, wherever the key came from
ELSEWHERE = "Set LGP_AUTH_FILE to a file you can write to, or give the key in LGP_API_KEY."


class Account(dict[str, Any]):
    """The document of a file; a field is an attribute as well, "" when it is not stored."""

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(name)
        return self.get(name) or ""

    def __repr__(self) -> str:
        return "Account"


class KeyFile:
    """The file at `path`.

    Each method may raise LocalError (exit 9): credential_file, permission, disk or locked.
    `on_note` is called with a level and a message.
    """

    def __init__(self, path: Path, on_note: Note = lambda level, message: None) -> None:
        self.path, self._on_note = path, on_note
        self._account: Account | None = None

    def account(self) -> Account:
        """What is stored: read once, and again after a change of this process."""
        if self._account is None:
            self._account = self._read()
        return self._account

    def update(self, **changes: str | None) -> None:
        """Set fields of the account; None removes one."""
        with self._changing() as account:
            account.update(changes)

    def check_writable(self) -> None:
        """Prove that a change would be stored, before something is asked for that cannot be had
        twice: the file is written again as it is. Only that finds one that cannot be replaced.
        """
        self.update()

    def check_account(self, origin: str, email: str = "") -> bool:
        """Whether what is stored is of another origin or e-mail. UsageError when it has a key: this
        account needs a profile.
        """
        stored = self.account()
        differs = email and stored.email and stored.email.casefold() != email.casefold()
        other = bool(differs) or stored.base_url != origin
        if other and (stored.api_key or stored.amplify_api_key):
            raise UsageError(
                f"{self.path} holds a key of another account: {stored.email} at {stored.base_url}.",
                "Add --profile NAME to keep this account in a file of its own.",
            )
        return other

    def login(self, origin: str, email: str, token: str, expires_at: str = "") -> None:
        """Store the token of a login. UsageError as check_account."""
        with self._changing() as account:
            if self.check_account(origin, email):
                account.update(NOTHING)
            account.update(base_url=origin, email=email, token=token, expires_at=expires_at)

    def logout(self, keys: bool = False) -> list[str]:
        """Remove the token, with `keys` every key too. Returns the names that were removed."""
        names = ("token", "expires_at") + (("api_key", "amplify_api_key", PREVIOUS) if keys else ())
        with self._changing() as account:
            return [name for name in names if account.pop(name, None)]

    def store_key(self, origin: str, key: str, kind: str = "agent") -> None:
        """Store a key. An agent key that it replaces becomes the newest of `previous_api_keys`; a
        login to another origin is dropped. UsageError as check_account.
        """
        with self._changing() as account:
            if self.check_account(origin):
                account.update(NOTHING)
            if kind == "agent":
                older = (*account.previous_api_keys, account.api_key)
                account[PREVIOUS] = [one for one in older if one not in ("", key)]
            account["base_url"] = origin
            account["api_key" if kind == "agent" else "amplify_api_key"] = key

    @contextmanager
    def _changing(self) -> Iterator[Account]:
        """The account as it is on disk, under the lock; written back when the block ends well."""
        path = Path(os.path.realpath(self.path))
        try:
            with files.locked(path.with_name(f"{path.name}.lock"), wait=5.0):
                for left in path.parent.glob(f".{path.name}.*.tmp"):  # of a writer that was killed
                    left.unlink(missing_ok=True)
                self._account = account = self._read()
                yield account
                account["layout"] = 2  # a base_url that means what it says
                kept = {name: value for name, value in account.items() if value is not None}
                files.write_private(path, json.dumps(kept, indent=2))
        except LocalError as error:
            error.hint = error.hint or ELSEWHERE
            raise
        finally:
            self._account = None

    def _read(self) -> Account:
        raw = files.read_private(self.path, LIMIT)
        if not raw:  # LGP_AUTH_FILE=$(mktemp) names an empty file
            return Account()
        if os.name == "posix" and self.path.stat().st_mode & 0o077:
            with suppress(OSError):
                self.path.chmod(0o600)
            self._on_note(
                "warning", f"Other users could read {self.path}; make sure it is 0600 now."
            )
        try:
            document = json.loads(raw.decode("utf-8-sig"))
            if not isinstance(document, dict):
                raise ValueError("it must hold one JSON object")
            for name, kind in FIELDS.items():
                if not isinstance(document.get(name) or kind(), kind):
                    raise ValueError(f"it has a wrong value in {name}")
            account = Account(document)
            if account.base_url:
                account["base_url"] = clean_origin(account.base_url)
        except (ValueError, RecursionError, UsageError) as error:
            raise LocalError(
                f"{self.path} cannot be used: {error}",
                "Fix it, or move it away and log in again. A key in LGP_API_KEY works meanwhile.",
                code="credential_file",
            ) from None
        if "layout" not in account:
            self._modernise(account)
        return account

    def _modernise(self, account: Account) -> None:
        """Understand what older scripts wrote; it is saved with the next change."""
        if "origins" in account:  # of version 1
            lines = [f"auth save-key --profile NAME --base-url {one}" for one in account["origins"]]
            self._on_note(
                "warning",
                f"{self.path} has keys of more origins, and a file now holds one account. Save each"
                f" again: {'; '.join(lines)}",
            )
        token, key = account.token, account.api_key
        if token.startswith("lgp_"):
            older = [token] if key else []
            account.update({"token": None, "api_key": key or token, PREVIOUS: older})
        account["expires_at"] = str(account.expires_at)  # a number there
        if account.base_url in ("", OLD_DEFAULT):
            account["base_url"] = PRODUCTION
            self._on_note(
                "note", f"{self.path} was written by an older script: it counts for {PRODUCTION}."
            )
