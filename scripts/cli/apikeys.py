"""API keys: a new key is in the answer this once, so everything here is about not losing it."""

from typing import Any

from cli import inputs, lists, login
from cli.context import Context
from cli.text import prefix
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, UnknownOutcomeError, UsageError

RESULT = "id name prefix key stored stored_in proved sandbox".split()  # noqa: SIM905


def list_keys(context: Context) -> None:
    """The user's keys by prefix; a plain key that a server sends is left out unless --show."""
    login.ensure(context)
    lists.run(context)


def create(context: Context) -> None:
    """Make a key and store it; the one stored before is kept as a previous one. `keys rotate`, as
    --check, proves the new key first."""
    inputs.check_fields(context, RESULT)
    show, stores = context.typed("show"), not context.typed("no_store")
    client, path, body = context.client, context.operation.path, inputs.body(context)
    if not (show or stores):
        raise UsageError("--no-store without --show would lose the key: add --show.")
    if context.options.dry_run:
        context.preview("POST", path, body=body)
        return
    client.file.check_account(client.origin)
    if not show:
        client.file.update()
    login.ensure(context)
    answer, old = client.post(path, body), client.file.account.api_key
    key = answers.new_key(answer)
    if key is None:
        raise UnknownOutcomeError(
            "The server answered without a key; one may have been made.",
            "{lgp} keys list",
            outcome="unknown",
        )
    context.masker.add(key)
    found: dict[str, Any] = {
        "id": answers.new_id(answer) or "",
        "name": body["name"],
        "prefix": prefix(key),
        "stored": False,
    }
    context.record_change(path, [found["id"]])
    try:
        if context.typed("check") or context.command.words == "keys rotate":
            client.keys.key = key  # whatever the environment and the file hold
            client.get("/campaigns", {"pageSize": 1})
            client.keys.key, found["proved"] = None, True
        if stores:
            client.file.store(client.origin, api_key=key)
            found |= {"stored": True, "stored_in": str(client.file.path)}
    except BaseException as error:  # the key cannot be had again
        context.masker.show = True
        context.output.format, context.output.fields = "json", None
        context.result({**found, "key": key})
        if isinstance(error, LeadGeniusError):
            error.hint = "The key is on stdout; to store it: {lgp} auth save-key --scope agent"
            error.facts["outcome"] = "applied"
        raise
    if show:
        found["key"] = key
    context.result(found, f"Key {found['name']} made ({prefix(key)}…).")
    if not stores:
        return
    if old:
        context.notes(
            "warning",
            f"The key stored before ({prefix(old)}…) is kept under previous_api_keys, and stays"
            " valid until it is revoked in the web application.",
        )
    if client.keys.find("agent").source != found["stored_in"]:
        context.notes("warning", "LGP_API_KEY is set and still wins over the stored key.")
