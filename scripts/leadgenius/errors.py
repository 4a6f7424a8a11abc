"""One class for each exit code. Messages are our own fixed texts; a server's words stand in
`server_message` alone.

`hint` is a key of the command line's table of hints (such as "log_in") or a plain
sentence. Every code an error can have, for programs to compare with:

bug usage invalid_input read_only dry_run needs_yes too_many_changes not_in_api no_credential
unauthorized forbidden refused not_found duplicate redirected job_failed rate_limited
out_of_time limiter_busy network server_failure outcome_unknown setup disk permission
credential_file locked checkpoint tls still_running interrupted terminated
"""

from typing import Any


class LeadGeniusError(Exception):
    """Base of all. `facts` may hold method, path, http_status, server_code, server_message,
    details, request_id, attempts, outcome (not_sent, rejected, applied or unknown; changes only),
    retryable, retry_after_seconds, retry_at, origin, sandbox.
    """

    exit_code = 1
    default_code = "bug"

    def __init__(
        self, message: str, hint: str = "", *, code: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message)
        self.code, self.message = code or self.default_code, message
        self.hint, self.facts = hint, facts

    def __getattr__(self, name: str) -> Any:
        """A fact, such as `error.outcome` or `error.details`; None when it is not known."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.facts.get(name)

    def __str__(self) -> str:
        """The message, the server's reason and what it says in detail."""
        words = (self.message, self.server_message, self.details)
        return " ".join(str(one) for one in words if one)

    def as_dict(self) -> dict[str, Any]:
        """The error object of the output contract; facts that are null are left out."""
        names = ("code", "message", "hint", "exit_code")
        found = {name: getattr(self, name) for name in names} | self.facts
        return {name: value for name, value in found.items() if value is not None}


class UsageError(LeadGeniusError):
    """Wrong usage or input, or a refusal of this program. Nothing was sent."""

    exit_code = 2
    default_code = "usage"


class CredentialError(LeadGeniusError):
    """No credential, or the server refused it (401, 403)."""

    exit_code = 3
    default_code = "no_credential"


class RefusedError(LeadGeniusError):
    """Another 4xx, a redirect, `success: false`, or a job that failed."""

    exit_code = 4
    default_code = "refused"


class RateError(LeadGeniusError):
    """The wait would be longer than allowed; `retry_after_seconds` and `retry_at` say when to come
    back.
    """

    exit_code = 5
    default_code = "rate_limited"


class NetworkError(LeadGeniusError):
    """This request did not reach the server, so it was not applied."""

    exit_code = 6
    default_code = "network"


class ServerError(LeadGeniusError):
    """A read failed on the server's side: 5xx, no answer, a broken answer."""

    exit_code = 7
    default_code = "server_failure"


class UnknownOutcomeError(LeadGeniusError):
    """A change may or may not have been applied."""

    exit_code = 8
    default_code = "outcome_unknown"


class LocalError(LeadGeniusError):
    """This machine: set-up, disk, permission, credential file, trust in certificates."""

    exit_code = 9
    default_code = "setup"


class StillRunningError(LeadGeniusError):
    """A job has not ended within the time allowed for waiting."""

    exit_code = 10
    default_code = "still_running"
