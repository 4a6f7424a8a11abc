"""API keys: a new key is in the answer this once, so everything here is about not losing it."""

from __future__ import annotations

import re
from typing import Any

from cli import inputs, lists, login
from cli.context import Context
from cli.text import prefix
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, UnknownOutcomeError, UsageError
from leadgenius.keys import Keys

_HIDDEN = {"apiKey", "key", "plainTextKey", "token", "jwt_token", "access_token", "tokens"}


def list_keys(context: Context) -> int:
    """The user's keys by prefix; a plain key that a server sends is left out unless --show."""
    login.ensure(context)
    listing = lists.of_command(context)
    return lists.show(context, listing if context.typed("show") else listing._replace(shown=hidden))


def hidden(value: Any) -> Any:
    """`value` without the fields that hold a key or token, and keys in its texts cut to their
    prefix."""
    if isinstance(value, dict):
        return {name: hidden(one) for name, one in value.items() if name not in _HIDDEN}
    if isinstance(value, list):
        return [hidden(one) for one in value]
    if isinstance(value, str):
        return re.sub(r"\b((?:lgp_|da2-)\w{6})\w{10,}", r"\1", value)
    return value


def create(context: Context) -> int:
    """Make a key and store it; the one stored before is kept as a previous one. `keys rotate` needs
    such a one, and proves the new key first."""
    show, stores = bool(context.typed("show")), not context.typed("no_store")
    rotates = context.command.words == "keys rotate"
    client, path, body = context.client, context.operation.path, inputs.body(context)
    if not (show or stores):
        raise UsageError("--no-store without --show would lose the key.", hint="Add --show.")
    if context.options.dry_run:
        return context.preview("POST", path, body=body)
    client.file.check_account(client.origin)
    if not show:
        client.file.check_writable()
    old = client.file.account().api_key
    if rotates and not old:
        hint = "{lgp} generate-key --name NAME"
        raise UsageError("There is no stored key to replace.", hint=hint)
    login.ensure(context)
    answer = client.post(path, body)
    key = answers.new_key(answer)
    if key is None:
        message = "The server answered without a key; one may have been made."
        raise UnknownOutcomeError(message, hint="{lgp} keys list", outcome="unknown")
    context.masker.add(key)
    found = {"id": answers.new_id(answer) or "", "name": body["name"], "prefix": prefix(key)}
    context.record_change(path, [found["id"]], outcome="applied")
    _keep(context, key, found, proves=rotates or context.typed("check"), stores=stores)
    if stores and old:
        words = f"The key stored before ({prefix(old)}…) is kept under previous_api_keys, and"
        context.notes("warning", f"{words} stays valid until it is revoked in the web application.")
    used = login.described(context, "agent")
    if stores and used and used["prefix"] != prefix(key):
        context.notes("warning", f"{used['source']} is set and still wins over the stored key.")
    found |= {"stored": stores, **({"stored_in": str(client.file.path)} if stores else {})}
    found |= {**({"key": key} if show else {}), **context.mark()}
    sentence = f"Key {found['name']} made ({found['prefix']}…), "
    sentence += f"{'proved and ' if 'proved' in found else ''}{'' if stores else 'not '}stored"
    sentence += f"; revoke the old one ({prefix(old)}…) in the web application." if rotates else "."
    context.output.document(found, client.requests, sentence)
    return 0


def _keep(context: Context, key: str, found: dict[str, Any], proves: bool, stores: bool) -> None:
    """Prove the key with one read, whatever the environment holds, and store it. When that fails
    the key is printed: it cannot be had again."""
    client = context.client
    usual = client.keys
    try:
        if proves:
            client.keys = Keys({}, client.file, client.origin, key)
            client.get("/campaigns", {"pageSize": 1})
            found["proved"] = True
        if stores:
            client.file.store_key(client.origin, key)
    except LeadGeniusError as error:
        context.masker.show = True
        context.output.document({**found, "key": key, "stored": False})
        words = "The key is on stdout, and the stored one is unchanged. To store it:"
        error.hint = f"{words} {{lgp}} auth save-key --scope agent"
        error.facts["outcome"] = "applied"
        raise
    finally:
        client.keys = usual
