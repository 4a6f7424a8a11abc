"""One family of errors. Each class carries the exit code of its kind; each error the facts a caller acts on.

Low layers raise these; one place (`console.program`) turns them into the error object on stderr and an exit code.
Messages and hints are our own fixed texts with numbers, times, option names and plain ids in them. What a server
said goes into `server_message` alone, because it is data from outside.
"""

from __future__ import annotations

from typing import Any, ClassVar

# The facts an error may carry besides code, message and hint; the order is that of the printed object.
FACTS = (
    "method",
    "path",
    "http_status",
    "server_code",
    "server_message",
    "details",
    "request_id",
    "attempts",
    "outcome",
    "retryable",
    "retry_after_seconds",
    "retry_at",
    "origin",
    "sandbox",
)


class LeadGeniusError(Exception):
    """Base of the family.

    `code` is one of the closed list in `CODES`; `facts` are names of `FACTS` (ValueError on any other, because an
    agent reads these by name). `outcome` is not_sent, rejected, applied or unknown for a change, None for a read.
    """

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "bug"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        if self.code not in CODES or not set(facts) <= set(FACTS):
            raise ValueError(f"not in the closed list: {self.code} {sorted(set(facts) - set(FACTS))}")
        self.message = message
        self.hint = hint
        self.facts: dict[str, Any] = facts

    def as_dict(self) -> dict[str, Any]:
        """The error object of the output contract: every name always present, null where nothing is known."""
        told: dict[str, Any] = {"code": self.code, "message": self.message, "hint": self.hint}
        told["exit_code"] = self.exit_code
        told.update({name: self.facts.get(name) for name in FACTS})
        return told


class UsageError(LeadGeniusError):
    """Wrong usage or input, or a refusal of ours. Nothing was sent."""

    exit_code = 2
    default_code = "usage"


class CredentialError(LeadGeniusError):
    """No credential, or the server refused it (401, 403)."""

    exit_code = 3
    default_code = "no_credential"


class RefusedError(LeadGeniusError):
    """The API said no: another 4xx, a redirect, `success: false`, or a job that failed."""

    exit_code = 4
    default_code = "refused"


class RateError(LeadGeniusError):
    """The rate budget: the wait would be longer than allowed. `retry_after_seconds` and `retry_at` say when."""

    exit_code = 5
    default_code = "rate_limited"


class NetworkError(LeadGeniusError):
    """This request did not reach the server, so it was not applied."""

    exit_code = 6
    default_code = "network"


class ServerError(LeadGeniusError):
    """A read failed on the server's side: 5xx, no answer, a broken or foreign answer."""

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


CODES: dict[str, str] = {
    "bug": "a fault of this program",
    "usage": "wrong words on the command line",
    "invalid_input": "a value, body or file that cannot be sent",
    "read_only": "a change under --read-only",
    "needs_yes": "a delete or a large enrolment without --yes",
    "too_many_changes": "more records than LGP_MAX_CHANGES allows",
    "not_in_api": "the API has no such call",
    "no_credential": "nothing to authenticate with",
    "unauthorized": "401: the credential is not accepted",
    "forbidden": "403: the credential may not do this",
    "refused": "the API refused the request",
    "not_found": "404",
    "duplicate": "409",
    "redirected": "3xx: redirects are never followed",
    "job_failed": "every task of the job failed",
    "rate_limited": "the wait would be longer than allowed",
    "out_of_time": "--max-time would be exceeded",
    "limiter_busy": "the shared request log is locked",
    "network": "no connection: nothing was sent",
    "server_failure": "the server failed on a read",
    "outcome_unknown": "a change without a known outcome",
    "setup": "something this program needs is missing",
    "disk": "a file could not be written",
    "permission": "a file may not be read or written",
    "credential_file": "the credential file cannot be used",
    "locked": "another run works on the same file",
    "checkpoint": "the checkpoint of an export does not fit this command",
    "tls": "the server's certificate is not trusted",
    "still_running": "the job is still running",
    "interrupted": "stopped by Ctrl-C",
    "terminated": "stopped by SIGTERM",
}
