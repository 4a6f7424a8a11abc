"""API keys: a new key is in the answer this once, so everything here is about not losing it."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from cli import inputs, lists, login
from cli.context import Context
from cli.lists import Listing
from cli.text import prefix
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, UnknownOutcomeError, UsageError
from leadgenius.keys import Keys

_HIDDEN = {"apiKey", "key", "plainTextKey", "token", "jwt_token", "access_token", "tokens"}


def list_keys(context: Context) -> int:
    """The user's keys by prefix; a plain key that a server sends is left out unless --show."""
    login.ensure(context)
    operation = context.operation
    shown = (lambda row: row) if context.typed("show") else hidden
    return lists.show(
        context, Listing(operation.path, {}, "page", operation.collection, shown=shown)
    )


def hidden(value: Any) -> Any:
    """`value` without the fields that hold a key or token, and keys in its texts cut to their
    prefix."""
    if isinstance(value, dict):
        return {name: hidden(one) for name, one in value.items() if name not in _HIDDEN}
    if isinstance(value, list):
        return [hidden(one) for one in value]
    return (
        re.sub(r"\b((?:lgp_|da2-)\w{6})\w{10,}", r"\1", value) if isinstance(value, str) else value
    )


def create(context: Context) -> int:
    """Make a key, store it in place of the one stored before, which is kept as a previous one."""
    return _make(context, proves=bool(context.typed("prove")))


def rotate(context: Context) -> int:
    """A new key in place of the stored one, which the web application alone can revoke."""
    if not context.options.dry_run and not context.client.file.account().api_key:
        raise UsageError(
            "There is no stored key to replace.", hint="{lgp} generate-key --name NAME"
        )
    if context.typed("body_name") is None:
        context.arguments.body_name = f"rotated on {datetime.now(timezone.utc).date()}"
    return _make(context, proves=True, rotates=True)


def _make(context: Context, proves: bool, rotates: bool = False) -> int:
    show, stores = bool(context.typed("show")), not context.typed("no_store")
    if not (show or stores):
        raise UsageError(
            "--no-store without --show would lose the key.",
            hint=f"{context.command.example} --no-store --show",
        )
    body = inputs.body(context)
    path, client = context.operation.path, context.client
    if context.options.dry_run:
        return context.preview("POST", path, body=body)
    client.file.check_account(client.origin)
    if not show:
        client.file.check_writable()
    login.ensure(context)
    old = client.file.account().api_key
    answer = client.call("POST", path, body=body).body
    key = answers.new_key(answer)
    if key is None:
        message = "The server answered without a key; one may have been made."
        raise UnknownOutcomeError(message, hint="{lgp} keys list", outcome="unknown")
    context.masker.add(key)
    found = _described(answers.record(answer), key, str(body["name"]), show)
    context.record_change(path, [found["id"]], outcome="applied")
    try:
        if proves:
            _prove(context, key)
            found["proved"] = True
        if stores:
            client.file.store_key(client.origin, key)
    except LeadGeniusError as error:
        context.masker.show = True
        context.output.document({**found, "key": key, "stored": False})  # it cannot be had again
        words = "The key is on stdout, and the stored one is unchanged. To store it:"
        error.hint = f"{words} {{lgp}} auth save-key --scope agent"
        error.facts["outcome"] = "applied"
        raise
    if stores and old:
        found["replaced_prefix"] = prefix(old)
        context.notes(
            "note", f"The key stored before ({prefix(old)}…) is kept under previous_api_keys."
        )
    if rotates:
        words = (
            f"The old key ({prefix(old)}…) stays valid until it is revoked in the web application."
        )
        context.notes("warning", words)
    if stores and login.supplied(context):
        words = f"{login.supplied(context)} is set and still wins over the stored key."
        context.notes("warning", words)
    sentence = f"Key {found['name']} made ({found['prefix']}…)" + (
        " and stored." if stores else "; not stored."
    )
    found |= {"stored": stores, **context.mark()}
    context.output.document(found, client.requests, "" if show else sentence)
    return 0


def _described(record: Any, key: str, name: str, show: bool) -> dict[str, Any]:
    """What is printed of a new key. A server may repeat it in any field, or call any part of it its
    prefix."""
    record = record if isinstance(record, dict) else {}
    found = {"id": record.get("id") or "", "name": record.get("name") or name}
    found = {
        field: re.sub(key, prefix(key), str(value), flags=re.I) for field, value in found.items()
    }
    return {**found, "prefix": prefix(key), **({"key": key} if show else {})}


def _prove(context: Context, key: str) -> None:
    """One read with the new key, whatever the environment holds."""
    client = context.client
    usual, client.keys = client.keys, Keys(context.environ, client.file, client.origin, key)
    try:
        client.call("GET", "/campaigns", params={"pageSize": 1})
    finally:
        client.keys = usual
