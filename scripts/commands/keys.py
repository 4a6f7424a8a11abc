"""API keys: a new key is in the answer this once, so everything here is about not losing it."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from commands.runners import inputs, rehearsal
from commands.runners.rows import Call, Row
from console.masking import shown_prefix
from leadgenius import answers
from leadgenius.credentials import Credential, environment_credential
from leadgenius.errors import LeadGeniusError, UnknownOutcomeError, UsageError


def create_key(call: Call) -> int:
    """Make a key and store it; its text is in the answer this once, so storing is proved possible first."""
    session = call.session
    session.refuse_change(call.operation)
    show, store = bool(call.typed("show")), not call.typed("no_store")
    if not show and not store:
        raise UsageError("--no-store without --show would lose the key.", hint=f"{call.row.example} --no-store --show")
    body = inputs.body(call)
    if session.settings.dry_run:
        return rehearsal.show(session, call.operation, call.operation.path, body=body)
    if store and not show:
        session.file.check_writable()
    key, made = _new_key(call, body)
    told = _told(made, body, key, show=show)
    if store:
        _store(call, key, told)
    session.output.document({**told, "stored": store}, requests=session.client.requests)
    return 0


def _new_key(call: Call, body: dict[str, Any]) -> tuple[str, Any]:
    session = call.session
    session.check_changes(1)
    answer = session.client.call("POST", call.operation.path, body=body).body
    key = answers.new_key(answer)
    if key is None:
        raise UnknownOutcomeError(
            "The server answered without a key; one may have been made.", hint="{lgp} keys list", outcome="unknown"
        )
    session.notes.masker.learn(key)
    return key, answer.get("data") if isinstance(answer, dict) else None


def _told(made: Any, body: dict[str, Any], key: str, *, show: bool) -> dict[str, Any]:
    record = made if isinstance(made, dict) else {}
    found = {"id": record.get("id"), "name": record.get("name") or body["name"], "prefix": record.get("keyPrefix")}
    told = {name: _without(key, value) for name, value in found.items()}
    if isinstance(told["prefix"], str):
        told["prefix"] = told["prefix"][: len(shown_prefix(key))]  # a server may call any part of a key its prefix
    return {**told, "key": key} if show else told


def _without(key: str, value: Any) -> Any:
    """What the server says of a key, without the key itself: only --show prints that."""
    if value is None or isinstance(value, int):
        return value
    return re.sub(re.escape(key), lambda _: shown_prefix(key), str(value), flags=re.IGNORECASE)


def _store(call: Call, key: str, told: dict[str, Any]) -> None:
    session = call.session
    try:
        moved = session.file.store_key(session.origin, key)
    except LeadGeniusError:
        session.output.document({**told, "key": key, "stored": False})  # it cannot be had again
        raise
    if moved:
        session.notes("note", "The key stored before was kept under previous_api_keys; it stays valid until revoked.")
    supplied = environment_credential(session.environ, "agent")
    if supplied:
        session.notes("warning", f"{supplied.source} is set and still wins over the stored key.")


def rotate(call: Call) -> int:
    """A new key in place of the stored one, which the web application alone can revoke."""
    session = call.session
    session.refuse_change(call.operation)
    old = session.file.account(session.origin).api_key
    if not old and not session.settings.dry_run:
        raise UsageError("There is no stored key to replace.", hint="{lgp} generate-key --name NAME")
    body = inputs.body(call)
    if session.settings.dry_run:
        return rehearsal.show(session, call.operation, call.operation.path, body=body)
    session.file.check_writable()
    key, made = _new_key(call, body)
    told = _told(made, body, key, show=bool(call.typed("show")))
    _prove(call, key, told)
    old = session.file.account(session.origin).api_key
    _store(call, key, told)
    told |= {"stored": True, "replaced_prefix": shown_prefix(old) if old else None}
    session.notes(
        "warning", f"The old key ({told['replaced_prefix']}…) stays valid until you revoke it in the web application."
    )
    session.output.document(told, requests=session.client.requests)
    return 0


class _Only:
    """The one new key, for the read that proves it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def find(self, kind: str) -> Credential:
        return Credential(kind, self._key, "the new key")

    def user_id(self, credential: Credential) -> None:
        return None


def _prove(call: Call, key: str, told: dict[str, Any]) -> None:
    client = replace(call.session.client, keys=_Only(key))
    try:
        client.call("GET", "/api/agent/campaigns", params={"pageSize": 1})
    except LeadGeniusError as error:
        call.session.output.document({**told, "key": key, "stored": False})  # it cannot be had again
        error.hint = (
            "The stored key is unchanged. The new one stands on stdout; save it with auth save-key once it works."
        )
        raise


def _key_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--show", action="store_true", default=None, help="print the key")
    parser.add_argument("--no-store", action="store_true", default=None, help="do not store it (needs --show)")


def _rotate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--show", action="store_true", default=None, help="print the key")


_FLAGS = {"description": ("--desc", "--description")}
_CREATE = {
    "operation": "keys.create",
    "flags": _FLAGS,
    "data": False,
    "arguments": _key_arguments,
    "run": create_key,
}

ROWS = (
    Row(
        ("generate-key",),
        example='{lgp} generate-key --name "Production Agent" --desc "Key for main auto-agent"',
        **_CREATE,  # type: ignore[arg-type]
    ),
    Row(("keys", "create"), example='{lgp} keys create --name "Production Agent"', **_CREATE),  # type: ignore[arg-type]
    Row(("keys", "list"), "keys.list", "{lgp} keys list", table=("id", "name", "keyPrefix", "createdAt")),
    Row(
        ("keys", "rotate"),
        "keys.create",
        "{lgp} keys rotate",
        help="Make a new key, prove it, and store it in place of the old one",
        flags=_FLAGS,
        defaults={"name": f"rotated on {datetime.now(timezone.utc).date().isoformat()}"},
        data=False,
        arguments=_rotate_arguments,
        run=rotate,
    ),
)
MISSING = {
    ("keys", "revoke"): "{lgp} keys list   (revoking one is only possible in the web application)",
    ("keys", "delete"): "{lgp} keys list   (revoking one is only possible in the web application)",
}
