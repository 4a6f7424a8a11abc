"""One run of a script: its settings, its environment, and the client made from them when something is to be sent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from console import options
from console.catalog import Operation
from console.notes import Notes
from console.options import Settings
from console.output import Output
from leadgenius import __version__, state
from leadgenius.credentials import Credential, CredentialFile, Credentials, auth_path, default_origin, variable
from leadgenius.errors import LocalError, UsageError
from leadgenius.scopes import EMBEDDED, clean_origin

if TYPE_CHECKING:
    from leadgenius.client import Client
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.transport import Transport

LARGE_ENROLMENT = 25  # leads that may be enrolled without --yes


class Session:
    """What a command works with. Everything costly is made on first use."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        stdin: IO[str],
        stdout: IO[str],
        notes: Notes,
        key: str | None = None,
        always_json: bool = False,
    ) -> None:
        self.settings, self.stdin, self.notes = settings, stdin, notes
        self.output = Output(settings, stdout, notes, always_json=always_json)
        self._given_environ, self._key = environ, key
        self._began = time.monotonic()

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The variables of this run; under --sandbox without the user's credentials."""
        if not self.settings.sandbox:
            return self._given_environ
        from console import embedding

        return embedding.environment(self._given_environ, self._sandbox_folder)

    @cached_property
    def _sandbox_folder(self) -> Path:
        folder = state.directory(self._given_environ)
        if folder is None:
            raise LocalError(
                "The sandbox needs a directory for its data.", hint="Set LGP_STATE_DIR to a directory you can write."
            )
        return folder / "sandbox"

    @cached_property
    def folder(self) -> Path | None:
        """The state directory of this run, the sandbox's own under --sandbox; None when nothing can be kept."""
        return self._sandbox_folder if self.settings.sandbox else state.directory(self.environ)

    @cached_property
    def file(self) -> CredentialFile:
        """The credential file; the sandbox's own is filled with its demo account on first use."""
        found = CredentialFile(auth_path(self.environ), notes=self.notes)
        if self.settings.sandbox:
            from console import embedding

            embedding.provide_credentials(found, self.transport)
        return found

    @cached_property
    def origin(self) -> str:
        """Flag, LGP_BASE_URL, the saved origin, production."""
        if self.settings.sandbox:
            return EMBEDDED
        given = self.settings.base_url
        if given:
            return clean_origin(given)
        return default_origin(self.environ, self.file)

    @cached_property
    def keys(self) -> MaskedKeys:
        found = Credentials(self.environ, self.file, origin=self.origin, key=self._key, program="{lgp}")
        return MaskedKeys(found, self.notes)

    @cached_property
    def limiter(self) -> RateLimiter:
        """The request log shared by all processes on this machine."""
        from leadgenius.ratelimit import RateLimiter

        path = self.folder / "requests.sqlite3" if self.folder else None
        return RateLimiter(path, self.windows, notes=self.notes)

    @cached_property
    def windows(self) -> Any:
        from leadgenius.ratelimit import DEFAULT_WINDOWS, Windows

        return Windows.parse(self.environ.get("LGP_RATE_LIMITS", "").strip() or DEFAULT_WINDOWS)

    @cached_property
    def transport(self) -> Transport:
        """The connection to the origin, or to the sandbox in this process."""
        from leadgenius.transport import Transport

        made = Transport(self.origin, environ=self.environ)
        if self.settings.sandbox:
            from console import embedding

            _ = self.windows  # the sandbox reads the same variable, and would refuse it in its own way
            made.mount(embedding.Embedded(embedding.service(self.environ, self._sandbox_folder)))
        return made

    @cached_property
    def client(self) -> Client:
        from leadgenius.client import Client, Patience

        settings = self.settings
        end = None if settings.max_time is None else self._began + settings.max_time
        return Client(
            self.transport,
            self.keys,
            self.limiter,
            patience=Patience(settings.timeout, settings.max_wait, end),
            notes=self.notes,
            read_only=settings.read_only,
            agent_name=self.user_agent,
            owner=self.owner,
        )

    @property
    def owner(self) -> str:
        """The e-mail under which JWT calls are counted."""
        try:
            return self.file.account(self.origin).email or ""
        except LocalError:
            return ""  # a key from the environment works beside a broken credential file

    @property
    def user_agent(self) -> str:
        name = "".join(char for char in self.environ.get("LGP_AGENT_NAME", "") if "!" <= char <= "~")[:64]
        return f"leadgenius-skill/{__version__}" + (f" ({name})" if name else "")

    @property
    def end(self) -> float | None:
        """When --max-time is over, as a time of time.monotonic()."""
        return None if self.settings.max_time is None else self._began + self.settings.max_time

    def company_id(self) -> str | None:
        """LGP_COMPANY_ID, else the company stored with the credentials."""
        found = variable(self.environ, "LGP_COMPANY_ID")
        return found[0].strip() if found else self.file.account(self.origin).company_id

    def refuse_change(self, operation: Operation) -> None:
        """UsageError for a change under --read-only, before anything is read or asked."""
        if self.settings.read_only and operation.changing:
            raise UsageError(
                f"{operation.method} is a change, and --read-only (or LGP_READ_ONLY) allows none.",
                code="read_only",
                hint="Run it without --read-only, and with LGP_READ_ONLY unset.",
                outcome="not_sent",
            )

    def check_changes(self, count: int) -> None:
        """UsageError when LGP_MAX_CHANGES allows fewer records than this command would change."""
        text = self.environ.get("LGP_MAX_CHANGES", "").strip()
        if not text:
            return
        try:
            allowed = 0 if text == "0" else options.number(text)
        except ValueError as error:
            raise UsageError(f"LGP_MAX_CHANGES takes {error}.", code="invalid_input") from error
        if count > allowed:
            raise UsageError(
                f"This would change {count} records; LGP_MAX_CHANGES allows {allowed}. Nothing was sent.",
                code="too_many_changes",
                hint="Give fewer ids, or raise LGP_MAX_CHANGES.",
                outcome="not_sent",
            )

    def demand_yes(self, count: int, what: str, ids: Sequence[str]) -> None:
        """UsageError naming count and ids, unless --yes was given."""
        if self.settings.yes:
            return
        more = f" and {count - 20} more" if count > 20 else ""
        raise UsageError(
            f"This {what} {count} record{'s' if count != 1 else ''}: {' '.join(ids[:20])}{more}. Nothing was sent.",
            code="needs_yes",
            hint="Look at the ids, then run the same command with --yes.",
            outcome="not_sent",
        )

    def close(self) -> None:
        """Close the connection and the request log, if they were opened."""
        if "transport" in self.__dict__:
            self.transport.close()
        if "limiter" in self.__dict__:
            self.limiter.close()


class MaskedKeys:
    """Credentials whose every value the notes learn to blot out before it is used."""

    def __init__(self, keys: Credentials, notes: Notes) -> None:
        self._keys, self._notes = keys, notes

    def find(self, kind: str) -> Credential:
        """See credentials.Credentials.find."""
        found = self._keys.find(kind)
        self._notes.masker.learn(found.value)
        return found

    def user_id(self, credential: Credential) -> str | None:
        """See credentials.Credentials.user_id."""
        return self._keys.user_id(credential)
