"""Every command: one table, one or two lines each. Method, path, fields and limits come from
references/openapi.json.

A new endpoint is one entry in openapi.json and one row here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Command(NamedTuple):
    """`words` are typed; `run` names the module and the function of cli/ that does it.

    `columns`: what a terminal shows first. `groups`: of options (cli/options.py), beside those of
    its operation. `defaults`: sent unless --data gives a body; flags win. `id`: its
    operation, where that is not its words with dots; a command with none works offline or uses
    several.
    """

    words: str
    example: str
    run: str = "request.run"
    columns: str = ""
    help: str = ""
    groups: str = ""
    defaults: Mapping[str, Any] = {}
    id: str = ""


_LEAD = "fullName email companyName status updatedAt"

_COMMANDS = (
    Command("leads list", "{lgp} leads list --status qualified", "lists.run", _LEAD),
    Command("leads import", "{lgp} leads import contacts.csv --client-id CLIENT", "imports.run",
            help="Import leads from a spreadsheet, resumable; existing leads stay as they are",
            groups="import yes", id="leads.create-batch"),
    Command("leads create",
            "{lgp} leads create --first-name Mara --last-name Okafor --email mara@okafor.example",
            "batches.create", help="Create a lead, or many with a JSON list in --data",
            groups="change"),
    Command("leads status", "{lgp} leads status --ids lead_1 lead_2 --status qualified",
            "batches.run", groups="ids change"),
    Command("leads enrich", "{lgp} leads enrich --ids lead_1 lead_2 --wait", "batches.run",
            groups="ids change wait yes",
            defaults={"enrichmentType": "technographic"}, id="enrichment.trigger"),
    Command("leads delete", "{lgp} leads delete --ids lead_1 lead_2 --yes", "batches.run",
            groups="ids change yes", id="leads.delete-batch"),
    Command("enrich-leads list", "{lgp} enrich-leads list --where status=qualified --count",
            "lists.run", _LEAD, groups="restart"),
    Command("source-leads list", "{lgp} source-leads list --all --out sources.csv",
            "lists.run", "rawName email companyName source importedAt", groups="restart"),
    Command("campaigns list", "{lgp} campaigns list --status active",
            "lists.run", "name campaignType status startDate endDate spend"),
    Command("campaigns create", '{lgp} campaigns create --name "Q3 Expansion"',
            defaults={"campaignType": "abm", "status": "active"},
            help="Create a campaign (abm and active; --data adds no defaults)"),
    Command("campaigns get", '{lgp} campaigns get name="Q3 Expansion"',
            "request.get", "name campaignType status startDate endDate", groups="some-ids"),
    Command("campaigns update", "{lgp} campaigns update CAMPAIGN --status paused",
            groups="id"),
    Command("campaigns archive", "{lgp} campaigns archive CAMPAIGN", "batches.run",
            groups="some-ids ids change"),
    Command("campaigns metrics", '{lgp} campaigns metrics name="Q3 Expansion"', "request.get",
            "name leads qualified contacted converted conversionRate spend pipelineValue roi",
            groups="some-ids"),
    Command("target-accounts list", "{lgp} target-accounts list --where 'intentScore>=80'",
            "lists.run", "accountName domain tier intentScore engagementScore fitScore"),
    Command("target-accounts create",
            '{lgp} target-accounts create --account-name "Northwind" --domain northwind.example'),
    Command("target-accounts score", "{lgp} target-accounts score ACCOUNT --intent-score 80",
            groups="id"),
    Command("sequences list", "{lgp} sequences list",
            "lists.run", "name channel status enrolledCount"),
    Command("sequences create", '{lgp} sequences create --name "Welcome" --channel email'),
    Command("sequences enroll", '{lgp} sequences enroll name="Welcome" --ids lead_1 lead_2',
            "batches.run", groups="id ids change yes"),
    Command("workflows list", "{lgp} workflows list", "lists.run", "name trigger status"),
    Command("workflows create", '{lgp} workflows create --name "Hand over hot leads"'),
    Command("integrations list", "{lgp} integrations list",
            "lists.run", "platform status lastSyncAt"),
    Command("integrations create",
            "{lgp} integrations create --platform hubspot --config '{\"portal\": \"demo\"}'"),
    Command("webhooks list", "{lgp} webhooks list", "lists.run", "url events active"),
    Command("webhooks create",
            "{lgp} webhooks create --url https://hooks.example/lg --events enrichment_completed"),
    Command("pipeline", "{lgp} pipeline --start 2026-01-01 --end 2026-02-08",
            "analytics.run", id="analytics.pipeline"),
    Command("analytics trends", "{lgp} analytics trends --granularity week", "analytics.run"),
    Command("analytics report",
            "{lgp} analytics report --report-type leads --report-format csv --out report.csv",
            "analytics.report", groups="wait"),
    Command("dashboard", "{lgp} dashboard --out dashboard.html --start 30d", "dashboard.run",
            help="One HTML page, in --out FILE (required)", id="analytics.pipeline"),
    Command("enrichment status", "{lgp} enrichment status JOB --wait", "jobs.status",
            groups="some-ids wait"),
    Command("enrichment services", "{lgp} enrichment services",
            "lists.run", "name key kind available"),
    Command("jobs list", "{lgp} jobs list", "jobs.started_here", "operation status time",
            help="The jobs started from this machine", groups="output origin"),
    Command("jobs status", "{lgp} jobs status JOB --wait", "jobs.status",
            groups="some-ids wait", id="enrichment.status"),
    Command("maintenance bugs list", "{lgp} maintenance bugs list",
            "lists.run", "description status createdAt"),
    Command("maintenance bugs report",
            '{lgp} maintenance bugs report --desc "Enrichment fails on LinkedIn URLs"'),
    Command("maintenance enhancements list", "{lgp} maintenance enhancements list",
            "lists.run", "description status createdAt"),
    Command("maintenance enhancements request",
            '{lgp} maintenance enhancements request --desc "Add support for Google Maps leads"'),
    Command("admin companies", "{lgp} admin companies",
            "lists.run", "name memberCount leadCount createdAt"),
    Command("admin users", "{lgp} admin users", "lists.run", "email role status createdAt"),
    Command("auth", "{lgp} auth --email your@email.com", "login.login",
            groups="login", id="auth.login"),
    Command("auth login", "{lgp} auth login --email your@email.com", "login.login",
            groups="login"),
    Command("auth status", "{lgp} auth status --check", "login.status",
            help="What is in use, offline; --check asks the server",
            groups="check output origin send"),
    Command("auth logout", "{lgp} auth logout", "login.logout",
            help="Drop the stored login; --keys the API keys too", groups="keys origin"),
    Command("auth save-key", "{lgp} auth save-key --scope agent < key.txt", "login.save_key",
            help="Store a key read from standard input, or a hidden prompt",
            groups="scope origin"),
    Command("auth profiles", "{lgp} auth profiles", "login.profiles",
            help="The stored accounts", groups="output"),
    Command("generate-key",
            '{lgp} generate-key --name "Production Agent" --desc "Key for main auto-agent"',
            "apikeys.create", help="Make an API key and store it",
            groups="show no-store check", id="keys.create"),
    Command("keys create", '{lgp} keys create --name "Production Agent"', "apikeys.create",
            groups="show no-store check"),
    Command("keys list", "{lgp} keys list",
            "apikeys.list_keys", "name keyPrefix createdAt", groups="show"),
    Command("keys rotate", '{lgp} keys rotate --name "Production Agent"', "apikeys.create",
            help="Make a new key, prove it, store it in place of the old one",
            groups="show no-store", id="keys.create"),
    Command("schema", "{lgp} schema campaigns.create", "offline.schema",
            help="An operation: its fields, their values, an example",
            groups="name output"),
    Command("limits", "{lgp} limits", "offline.limits",
            help="Used, left, and when the next request is free", groups="output origin"),
    Command("limits clear", "{lgp} limits clear", "offline.clear",
            help="Lift the pause after a 429", groups="origin"),
    Command("completion bash", "{lgp} completion bash", "offline.completion",
            help="Completion, for eval in ~/.bashrc"),
    Command("completion zsh", "{lgp} completion zsh", "offline.completion",
            help="Completion, for eval in ~/.zshrc"),
    Command("api_call", "{lgp} api_call GET /campaigns -p status=active", "raw.send",
            help="Any request, with the right credential; stdout is the body",
            groups="raw body show list page yes output origin send"),
)  # fmt: skip

COMMANDS = tuple(one._replace(id=one.id or one.words.replace(" ", ".")) for one in _COMMANDS)

# What the API lacks, or what other tools call otherwise: the nearest that works.
INSTEAD = {
    "leads get": "{lgp} leads list --email ADDRESS",
    "leads find": "{lgp} leads list --email ADDRESS",
    "leads update": "{lgp} leads status --ids LEAD --status qualified   (only the status)",
    "leads export": "{lgp} enrich-leads list --all --out leads.csv",
    "login": "{lgp} auth --email YOU",
    "whoami": "{lgp} auth status",
    "enrichment list": "{lgp} jobs list",
    "enrichment cancel": "{lgp} jobs status JOB   (a job that was started cannot be stopped)",
    "keys revoke": "{lgp} keys list   (revoked in the web application only)",
    "--limit": "--max-items N for at most N rows, --page-size N for one page",
    "--json": "--format json",
    "-o": "--out FILE for a file, --format for the format",
}
