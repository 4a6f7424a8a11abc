"""Every command: one table, one or two lines each. Method, path, fields and limits come from
references/openapi.json.

`run` names the module and function of cli/ that does it. A new endpoint is one entry in
openapi.json and one row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Command(NamedTuple):
    """`words` are typed, `operation` is its id in openapi.json ("" for a command that is offline or
    has several).

    `ids`: how records are named: `one` or `many` as words, or by `flag` (--ids). `flags`: API field
    → its flags, where
    the kebab-case name is not enough. `defaults`: sent when neither a flag nor --data gives a body.
    `columns`: what a
    terminal shows first. `extra`: names of EXTRA options. `groups`: option groups beside those of
    the operation.
    """

    words: str
    operation: str
    run: str
    example: str
    help: str = ""
    ids: str = ""
    flags: Mapping[str, str] = {}
    defaults: Mapping[str, Any] = {}
    columns: str = ""
    extra: str = ""
    groups: str = ""


_SWITCH = {"action": "store_true"}
# Options of single commands: name → how argparse takes them.
EXTRA: dict[str, dict[str, Any]] = {
    "ids-out": {"metavar": "FILE", "help": "write the ids of what was made or changed there"},
    "todo-out": {"metavar": "FILE", "help": "write the ids that failed or are still to do there"},
    "restart": {**_SWITCH, "help": "with --all --out: begin the export anew"},
    "start": {"metavar": "DATE", "dest": "query_startDate", "help": "first day of the period"},
    "end": {"metavar": "DATE", "dest": "query_endDate", "help": "its last day"},
    "password": {"help": "readable by other processes: prefer --password-stdin or LGP_PASSWORD"},
    "password-stdin": {**_SWITCH, "help": "read the password from standard input"},
    "save": {**_SWITCH, "help": "accepted for older scripts: the login is always saved"},
    "email": {"metavar": "ADDRESS", "help": "the account (else LGP_EMAIL, else a prompt)"},
    "check": {**_SWITCH, "help": "ask the server what the keys may do"},
    "keys": {**_SWITCH, "help": "drop the stored API keys too"},
    "scope": {
        "choices": ("agent", "system"),
        "required": True,
        "help": "agent (lgp_…) or system (da2-…)",
    },
    "show": {**_SWITCH, "help": "print the key itself"},
    "no-store": {**_SWITCH, "help": "store nothing (needs --show)"},
    "map": {
        "action": "append",
        "metavar": "COLUMN=FIELD",
        "help": 'e.g. "Work Email=email", "Name=firstName+lastName"',
    },
    "encoding": {"metavar": "NAME", "help": "of the file, when it is not UTF-8, e.g. cp1252"},
    "client-id": {"metavar": "ID", "help": "the client of rows that name none"},
    "campaign-id": {"metavar": "ID", "help": "the campaign of rows that name none"},
    "skip-invalid": {**_SWITCH, "help": "send the good rows although others are bad"},
    "one-by-one": {**_SWITCH, "help": "one request a row, where batches are not stored"},
    "resend-unknown": {**_SWITCH, "help": "send again what may have been stored"},
}

_LEAD = "fullName email companyName status updatedAt"
_METRICS = "name leads qualified contacted converted conversionRate spend pipelineValue roi"
_REPORT = {"description": "--desc --description", "userEmail": "--email --user-email"}
_DATES = {"startDate": "--start --start-date", "endDate": "--end --end-date"}
_KEY = {"description": "--desc --description"}
_IDS = "ids-out todo-out"

COMMANDS = (
    Command("leads list", "leads.list", "lists.run", "{lgp} leads list --status qualified",
            columns=_LEAD),
    Command("leads import", "leads.create-batch", "imports.run",
            "{lgp} leads import contacts.csv --client-id CLIENT",
            help="Import leads from a spreadsheet, resumable (--dry-run: look first)", groups="yes",
            extra="map client-id campaign-id encoding skip-invalid one-by-one resend-unknown"),
    Command("leads create", "leads.create", "leads.create",
            "{lgp} leads create --first-name Mara --last-name Okafor --email mara@okafor.example",
            help="Create a lead, or many with a JSON list in --data", extra=_IDS),
    Command("leads status", "leads.status", "batches.run",
            "{lgp} leads status --ids lead_1 lead_2 --status qualified", ids="flag", extra=_IDS),
    Command("leads enrich", "enrichment.trigger", "batches.run",
            "{lgp} leads enrich --ids lead_1 lead_2 --wait", help="Enrich leads (spends)",
            ids="flag", defaults={"enrichmentType": "technographic"}, extra=_IDS,
            groups="wait yes"),
    Command("leads delete", "leads.delete-batch", "batches.run",
            "{lgp} leads delete --ids lead_1 lead_2 --yes", ids="flag", extra=_IDS, groups="yes"),
    Command("enrich-leads list", "enrich-leads.list", "leads.bulk",
            "{lgp} enrich-leads list --where status=qualified --count", columns=_LEAD,
            extra="restart"),
    Command("source-leads list", "source-leads.list", "leads.bulk",
            "{lgp} source-leads list --all --out sources.csv",
            columns="rawName email companyName source importedAt", extra="restart"),
    Command("campaigns list", "campaigns.list", "lists.run", "{lgp} campaigns list --status active",
            columns="name campaignType status startDate endDate spend"),
    Command("campaigns create", "campaigns.create", "request.create_campaign",
            '{lgp} campaigns create --name "Q3 Expansion"',
            help="Create a campaign (abm and active; --data adds no defaults)",
            defaults={"campaignType": "abm", "status": "active"}),
    Command("campaigns get", "campaigns.get", "many.get",
            '{lgp} campaigns get name="Q3 Expansion"', ids="many",
            columns="name campaignType status startDate endDate"),
    Command("campaigns update", "campaigns.update", "request.run",
            "{lgp} campaigns update CAMPAIGN --status paused", ids="one"),
    Command("campaigns archive", "campaigns.archive", "batches.run",
            "{lgp} campaigns archive CAMPAIGN", ids="many", extra=_IDS),
    Command("campaigns metrics", "campaigns.metrics", "many.get",
            '{lgp} campaigns metrics name="Q3 Expansion"', ids="many",
            help="Leads that ever reached each stage, and money", columns=_METRICS),
    Command("target-accounts list", "target-accounts.list", "lists.run",
            "{lgp} target-accounts list --where 'intentScore>=80'",
            columns="accountName domain tier intentScore engagementScore fitScore"),
    Command("target-accounts create", "target-accounts.create", "request.run",
            '{lgp} target-accounts create --account-name "Northwind" --domain northwind.example'),
    Command("target-accounts score", "target-accounts.score", "request.run",
            "{lgp} target-accounts score ACCOUNT --intent-score 80", ids="one"),
    Command("sequences list", "sequences.list", "lists.run", "{lgp} sequences list",
            columns="name channel status enrolledCount"),
    Command("sequences create", "sequences.create", "request.run",
            '{lgp} sequences create --name "Welcome" --channel email'),
    Command("sequences enroll", "sequences.enroll", "batches.run",
            '{lgp} sequences enroll name="Welcome" --ids lead_1 lead_2',
            help="Enrol leads (contacts people)", ids="one", extra=_IDS, groups="yes"),
    Command("workflows list", "workflows.list", "lists.run", "{lgp} workflows list",
            columns="name trigger status"),
    Command("workflows create", "workflows.create", "request.run",
            '{lgp} workflows create --name "Hand over hot leads"'),
    Command("integrations list", "integrations.list", "lists.run", "{lgp} integrations list",
            columns="platform status lastSyncAt"),
    Command("integrations create", "integrations.create", "request.run",
            "{lgp} integrations create --platform hubspot --config '{\"portal\": \"demo\"}'"),
    Command("webhooks list", "webhooks.list", "lists.run", "{lgp} webhooks list",
            columns="url events active"),
    Command("webhooks create", "webhooks.create", "request.run",
            "{lgp} webhooks create --url https://hooks.example/lg --events enrichment_completed"),
    Command("pipeline", "analytics.pipeline", "analytics.pipeline",
            "{lgp} pipeline --start 2026-01-01 --end 2026-02-08", flags=_DATES,
            help="The funnel of a period: leads that ever reached each stage"),
    Command("analytics trends", "analytics.trends", "analytics.trends",
            "{lgp} analytics trends --granularity week", flags=_DATES),
    Command("analytics report", "analytics.report", "analytics.report",
            "{lgp} analytics report --report-type leads --report-format csv --out report.csv",
            flags={**_DATES, "format": "--report-format"}, groups="wait"),
    Command("dashboard", "", "dashboard.run", "{lgp} dashboard --out dashboard.html --start 30d",
            help="One HTML page, in --out FILE (required)",
            groups="send output origin", extra="start end"),
    Command("enrichment status", "enrichment.status", "jobs.status",
            "{lgp} enrichment status JOB --wait", ids="many", groups="wait"),
    Command("enrichment services", "enrichment.services", "lists.run", "{lgp} enrichment services",
            columns="name key kind available"),
    Command("jobs list", "", "jobs.started_here", "{lgp} jobs list",
            help="The jobs started from this machine", groups="output origin",
            columns="operation time"),
    Command("jobs status", "enrichment.status", "jobs.status", "{lgp} jobs status JOB --wait",
            ids="many", groups="wait"),
    Command("maintenance bugs list", "maintenance.bugs.list", "lists.run",
            "{lgp} maintenance bugs list", columns="description status createdAt"),
    Command("maintenance bugs report", "maintenance.bugs.report", "request.run",
            '{lgp} maintenance bugs report --desc "Enrichment fails on LinkedIn URLs"',
            flags=_REPORT),
    Command("maintenance enhancements list", "maintenance.enhancements.list", "lists.run",
            "{lgp} maintenance enhancements list", columns="description status createdAt"),
    Command("maintenance enhancements request", "maintenance.enhancements.request", "request.run",
            '{lgp} maintenance enhancements request --desc "Add support for Google Maps leads"',
            flags=_REPORT),
    Command("admin companies", "admin.companies", "lists.run", "{lgp} admin companies",
            columns="name memberCount leadCount createdAt"),
    Command("admin users", "admin.users", "lists.run", "{lgp} admin users",
            columns="email role status createdAt"),
    Command("auth", "auth.login", "login.login", "{lgp} auth --email your@email.com", help="Log in",
            extra="email password password-stdin save"),
    Command("auth login", "auth.login", "login.login", "{lgp} auth login --email your@email.com",
            help="Log in", extra="email password password-stdin save"),
    Command("auth status", "", "login.status", "{lgp} auth status --check", extra="check",
            help="What is in use, offline; --check asks the server", groups="output origin send"),
    Command("auth logout", "", "login.logout", "{lgp} auth logout", extra="keys", groups="origin",
            help="Drop the stored login; --keys the API keys too"),
    Command("auth save-key", "", "login.save_key", "{lgp} auth save-key --scope agent < key.txt",
            extra="scope", groups="origin",
            help="Store a key read from standard input, or a hidden prompt"),
    Command("auth profiles", "", "login.profiles", "{lgp} auth profiles", groups="output",
            help="The stored accounts"),
    Command("generate-key", "keys.create", "apikeys.create",
            '{lgp} generate-key --name "Production Agent" --desc "Key for main auto-agent"',
            flags=_KEY, help="Make an API key and store it", extra="show no-store check"),
    Command("keys create", "keys.create", "apikeys.create",
            '{lgp} keys create --name "Production Agent"', flags=_KEY,
            help="The same as generate-key", extra="show no-store check"),
    Command("keys list", "keys.list", "apikeys.list_keys", "{lgp} keys list",
            columns="name keyPrefix createdAt", extra="show"),
    Command("keys rotate", "keys.create", "apikeys.create",
            '{lgp} keys rotate --name "Production Agent"', flags=_KEY,
            help="Make a new key, prove it, store it in place of the old one",
            extra="show no-store"),
    Command("schema", "", "offline.schema", "{lgp} schema campaigns.create", groups="output",
            help="An operation or a record: fields, values, an example"),
    Command("limits", "", "offline.limits", "{lgp} limits", groups="output origin",
            help="Used, left, and when the next request is free"),
    Command("limits clear", "", "offline.clear", "{lgp} limits clear", groups="origin",
            help="Lift the pause after a 429"),
    Command("completion", "", "offline.completion", "{lgp} completion bash",
            help="Completion for bash or zsh"),
)  # fmt: skip

# The overview: the eight workflows, the most used first, then what is around them.
GROUPS = (
    ("Leads", "leads", "list, import, create, qualify, enrich, delete"),
    ("", "enrich-leads", "every enriched lead of the company: exact counts, export"),
    ("", "source-leads", "every lead as it came from its source"),
    ("Campaigns", "campaigns", "list, create, get, update, archive, metrics"),
    ("Targeted ABM", "target-accounts", "list, create, score"),
    ("Outreach", "sequences", "list, create, enrol leads"),
    ("Automation", "workflows", "list, create"),
    ("", "integrations", "connections to other platforms"),
    ("", "webhooks", "calls to your own server on events"),
    ("Analytics", "pipeline", "the funnel of a period"),
    ("", "analytics", "trends and reports"),
    ("", "dashboard", "one HTML page of all of it"),
    ("Maintenance", "maintenance", "bug reports and enhancement requests"),
    ("Administration", "admin", "companies and users (Master Admin)"),
    ("Jobs", "jobs", "enrichments and reports started here"),
    ("", "enrichment", "a job's status; the services there are"),
    ("Account", "auth", "log in, status, log out, save a key, profiles"),
    ("", "generate-key", "make an API key and store it"),
    ("", "keys", "list, create, rotate API keys"),
    ("Offline", "schema", "fields and values of every operation"),
    ("", "limits", "the rate limit: used, left"),
    ("", "completion", "for bash and zsh"),
)

# What this API or program cannot do, and the nearest line that works.
MISSING = {
    "leads get": "{lgp} leads list --email ADDRESS",
    "leads find": "{lgp} leads list --email ADDRESS",
    "leads qualify": "{lgp} leads status --ids LEAD --status qualified",
    "leads update": "{lgp} leads status --ids LEAD --status qualified   (only the status)",
    "leads export": "{lgp} enrich-leads list --all --out leads.csv",
    "import": "{lgp} leads import FILE",
    "login": "{lgp} auth --email YOU",
    "whoami": "{lgp} auth status",
    "auth switch": "{lgp} --profile NAME auth status   (each profile is an account of its own)",
    "enrichment list": "{lgp} jobs list",
    "enrichment cancel": "{lgp} jobs status JOB   (a job that was started cannot be stopped)",
    "jobs cancel": "{lgp} jobs status JOB   (a job that was started cannot be stopped)",
    "campaigns find": '{lgp} campaigns get name="NAME"',
    "campaigns delete": "{lgp} campaigns archive CAMPAIGN   (the record is kept)",
    "target-accounts get": "{lgp} target-accounts list --where accountName=NAME",
    "sequences unenroll": "{lgp} sequences list   (removed in the web application only)",
    "workflows run": "{lgp} workflows list   (workflows start by their trigger)",
    "keys revoke": "{lgp} keys list   (revoked in the web application only)",
}
