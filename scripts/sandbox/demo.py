"""The demo data: two companies with what a working account holds, the same on every machine.

Ids and texts come from a fixed seed, times are relative to the day of creation. `CREDENTIALS` are the keys and
passwords that open it; they open nothing else. Domains end in .example, which nobody can own.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import string
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from leadgenius.settings import iso
from sandbox import accounts, jobs, leads, store
from sandbox.routes import MASTER_ADMIN
from sandbox.store import Record, pack

SEED = "leadgenius sandbox 1"
DAY = 86400.0
LEADS, OTHER_LEADS = 1500, 40
SPAN_DAYS, DENSE_DAYS = 400, 30
# January and February 2026: the period of the documented pipeline line.
WINTER, WINTER_DAYS = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp(), 58
WAYS = {  # what a lead passes after new: its weight
    (): 40,
    ("qualified",): 22,
    ("qualified", "contacted"): 18,
    ("qualified", "contacted", "converted"): 8,
    ("unqualified",): 8,
    ("qualified", "unqualified"): 4,
}
DAYS_UNTIL = {"qualified": (0.5, 6), "contacted": (0.5, 8), "converted": (4, 24), "unqualified": (1, 9)}
CLIENTS = {"client_aurora": 5, "client_brightwater": 3, "client_cedarline": 2}

FIRST = """Amara Jonas Priya Mateo Ingrid Tobias Leïla Owen Sofia Dawit Chloé Nuno Hana Rasmus Grace Elif Kai Ruth
    Felix Noor Ines Callum Marta Viktor Yara Stefan Bridget Andrés Thandi Milan""".split()
LAST = """Okafor Lindqvist Raman Salvatierra Halvorsen Krämer Benmoussa Tregarth Marchetti Haile D'Aubigny Figueiredo
    Novotná Østergaard Adeyemi Yıldız Nakamura-Webb Penhaligon Castellanos Boateng Varga O'Sullivan Petrov Sørensen
    Delacroix Mbeki Kowalczyk Rahimi Ferreira Lund""".split()
# (first, last, as in an address)
OTHER_SCRIPTS = [
    ("Зоя", "Климова", "zoya.klimova"),
    ("Иван", "Петренко", "ivan.petrenko"),
    ("美咲", "高橋", "misaki.takahashi"),
    ("偉", "陳", "wei.chen"),
    ("민준", "박", "minjun.park"),
    ("ليلى", "حداد", "layla.haddad"),
    ("Ελένη", "Παππά", "eleni.pappa"),
    ("นภา", "ศรีสุข", "napha.srisuk"),
]
COMPANIES = [
    name.strip()
    for name in """Northwind Foundry, Brightwater Analytics, Cedarline Logistics, Aurora Metering, Halcyon Freight,
    Quill & Harbor, Vantage Orchards, Kestrel Robotics, Marlowe Energy, Tidewell Health, Obsidian Retail,
    Fernhill Software, Lumen Textiles, Pinnacle Ceramics, Saltmarsh Foods, Greywater Systems, Ostrava Optik,
    Yamabuki Seiki, Delta Cartography, Rowan Insurance, Ember Learning, Polder Dynamics, Juniper Biotech,
    Blue Heron Mobility, Castellan Security, Meridian Print, Thistle Payments, Ironbridge Tooling""".split(",")
]
TITLES = [
    name.strip()
    for name in """Head of Procurement, VP Engineering, Chief Revenue Officer, IT Director, Operations Manager,
    Marketing Lead, Data Platform Owner, Founder, Head of Growth""".split(",")
]
SOURCES = ["web_form", "conference_list", "directory", "partner_referral"]
DESCRIPTIONS = {
    "Spring ABM": "Forty named accounts in manufacturing, approached through their plant managers",
    "Logistics Demand Wave": "Webinar series on customs paperwork for freight forwarders",
    "Dormant Accounts Nurture": "Monthly letter to accounts without an answer since last year",
    "Année fiscale – relance": "Rappel de fin d'exercice aux clients de l'offre annuelle",
    "Healthcare Pilot": "First contacts with hospital groups before the autumn trade fair",
    "Trade Fair Follow-up": "Visitors of the Hanover stand, sorted by product line",
}
STEPS = [
    {"day": 0, "channel": "email", "template": "introduction"},
    {"day": 3, "channel": "email", "template": "case study"},
    {"day": 7, "channel": "linkedin", "template": "short note"},
]
RECORDS: dict[str, list[Record]] = {
    "campaign": [
        {"name": "Spring ABM", "campaignType": "abm", "status": "active", "spend": 18500, "averageDealValue": 9200},
        {"name": "Logistics Demand Wave", "campaignType": "demand_gen", "status": "active", "spend": 7400},
        {"name": "Dormant Accounts Nurture", "campaignType": "nurture", "status": "paused", "averageDealValue": 4100},
        {"name": "Année fiscale – relance", "campaignType": "nurture", "status": "completed", "spend": 2600.5},
        {"name": "Healthcare Pilot", "campaignType": "abm", "status": "draft"},
        {"name": "Trade Fair Follow-up", "campaignType": "demand_gen", "status": "archived"},
    ],
    "target account": [{"accountName": name} for name in COMPANIES[:24]],
    "sequence": [
        {"name": "First touch", "channel": "email", "status": "active", "steps": STEPS},
        {"name": "Executive outreach", "channel": "multi", "status": "active", "steps": STEPS},
        {"name": "Warm network", "channel": "linkedin", "status": "draft", "steps": STEPS[2:]},
    ],
    "workflow": [
        {"name": "Research to outreach", "trigger": "enrichment_completed", "status": "active"},
        {"name": "Reply triage", "trigger": "lead_status_changed", "status": "paused"},
    ],
    "integration": [
        {"platform": "salesforce", "status": "connected"},
        {"platform": "hubspot", "status": "connected"},
        {"platform": "mailchimp", "status": "error"},
    ],
    "webhook": [
        {"url": "https://hooks.fernhill.example/leads", "events": ["new_source_lead"], "active": True},
        {"url": "https://hooks.fernhill.example/jobs", "events": ["enrichment_completed"], "active": False},
    ],
    "bug": [
        {"description": "Enrichment fails on LinkedIn URLs with a trailing slash"},
        {"description": "Metrics show a stale spend after an update"},
    ],
    "enhancement": [
        {"description": "Add support for Google Maps leads"},
        {"description": "Let a sequence pause on public holidays"},
    ],
}


def _letters(name: str, length: int, alphabet: str = string.ascii_lowercase + string.digits) -> str:
    return "".join(random.Random(f"{SEED} {name}").choices(alphabet, k=length))


def _hexadecimal(name: str, length: int) -> str:
    return _letters(name, length, "0123456789abcdef")


CREDENTIALS: dict[str, str] = {
    "email": "your@email.com",
    "password": "sandbox-" + _hexadecimal("password", 12),
    "api_key": "lgp_" + _hexadecimal("api key", 64),
    "amplify_api_key": "da2-" + _letters("amplify key", 26),
    "company_id": f"company-1735689600000-{_letters('company', 7)}",
    "user_email": "member@fernhill.example",
    "user_password": "sandbox-" + _hexadecimal("user password", 12),
    "user_api_key": "lgp_" + _hexadecimal("user api key", 64),
    "other_email": "owner@kestrel.example",
    "other_password": "sandbox-" + _hexadecimal("other password", 12),
    "other_api_key": "lgp_" + _hexadecimal("other api key", 64),
    "other_amplify_api_key": "da2-" + _letters("other amplify key", 26),
    "other_company_id": f"company-1751328000000-{_letters('other company', 7)}",
}


def make(database: Path, now: float, leads: int | None = None, reset: bool = False) -> bool:
    """The database with the demo data, `leads` of them in the main company, unless it exists.

    Returns whether it was made now; see `store.prepare`, also for what it raises.
    """
    return store.prepare(database, lambda db: Demo(db, now, LEADS if leads is None else leads).fill(), reset)


class Demo:
    """Fills an empty database. `now` is in epoch seconds; only its day counts."""

    def __init__(self, db: sqlite3.Connection, now: float, number: int) -> None:
        self.db, self.number = db, number
        self.today = now // DAY * DAY
        self.rng = random.Random(SEED)
        self.addresses: Counter[str] = Counter()

    def fill(self) -> None:
        first, second = CREDENTIALS["company_id"], CREDENTIALS["other_company_id"]
        admin, member, invited, other = self.id(), self.id(), self.id(), self.id()
        self._company(first, "Fernhill Demand Partners", admin, 420)
        self._company(second, "Kestrel Outreach", other, 230)
        self._user(admin, "", MASTER_ADMIN, first, 420)
        self._user(member, "user_", "user", first, 300)
        self._user(invited, "", "user", first, 2, invited="soon@fernhill.example")
        self._user(other, "other_", "admin", second, 230)
        campaigns = self._records(first, admin)
        self._records(second, other, most=1)
        # The owners share the leads evenly, so that each misses older ones of the other's beyond the search depth.
        self._leads(self._times(), first, (admin, member), campaigns)
        times = sorted(self.today - self.rng.uniform(0, 200) * DAY for _ in range(OTHER_LEADS))
        self._leads(times, second, (other,), (None,))
        self._sources(first, admin, self.number * 4 // 3)
        self._sources(second, other, OTHER_LEADS * 3 // 2)
        self._enrolments(first)

    def id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def ago(self, days: float) -> str:
        return iso(self.today - days * DAY)

    def _company(self, company: str, name: str, owner: str, age: int) -> None:
        query = "INSERT INTO companies(id, name, owner, created_at) VALUES (?, ?, ?, ?)"
        self.db.execute(query, (company, name, owner, self.ago(age)))

    def _user(self, user: str, prefix: str, role: str, company: str, age: int, invited: str = "") -> None:
        """A user with a password and an agent key; the owner of a company with its Amplify key. Or an invited one."""
        known = {} if invited else CREDENTIALS
        query = """INSERT INTO users(id, email, password, role, company_id, status, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?)"""
        email, status = invited or known[prefix + "email"], "invited" if invited else "active"
        password = None if invited else accounts.digest(known[prefix + "password"])
        self.db.execute(query, (user, email, password, role, company, status, self.ago(age)))
        if key := known.get(prefix + "api_key"):
            texts = {"name": "Prospecting agent", "description": "Nightly list building"}
            shown = {"id": self.id(), **texts, "keyPrefix": key[:10], "createdAt": self.ago(100)}
            accounts.store_key(self.db, key, user, shown)
        if key := known.get(prefix + "amplify_api_key"):
            query = "INSERT INTO amplify_keys(digest, company_id) VALUES (?, ?)"
            self.db.execute(query, (accounts.digest(key), company))

    def _records(self, company: str, owner: str, most: int = 100) -> list[str]:
        """The company's records beside leads, at most so many of each kind; returns the ids of its campaigns."""
        for place, (kind, rows) in enumerate(RECORDS.items()):
            oldest, apart = 380 - 40 * place, 60 // len(rows)
            tenancy = {"company_id": company, "owner": owner}
            made: list[Record] = []
            for age, row in enumerate(rows[:most]):
                at = self.ago(oldest - age * apart)
                more = self._details(kind, row)
                made.append({"id": self.id(), **row, **more, **tenancy, "createdAt": at, "updatedAt": at})
            store.add_records(self.db, kind, made)
        query = "SELECT id FROM records WHERE kind = 'campaign' AND company_id = ? ORDER BY seq"
        return [row["id"] for row in self.db.execute(query, (company,))]

    def _details(self, kind: str, row: Record) -> Record:
        """What differs from run to run of the seed, or takes its time from the day of creation."""
        draw = self.rng.randrange
        if kind == "campaign":
            start = draw(60, 200)
            goals = {"targetAccounts": draw(20, 80), "targetPipeline": draw(50, 400) * 1000}
            dates = {"startDate": self.ago(start)[:10], "endDate": self.ago(start - 240)[:10]}
            return {"description": DESCRIPTIONS[row["name"]], **dates, "goals": goals}
        if kind == "target account":
            scores = {score: draw(5, 100) for score in ("intentScore", "engagementScore", "fitScore")}
            industry, tier = self.rng.choice(jobs.INDUSTRIES), self.rng.choice("ABC")
            return {"domain": domain(row["accountName"]), "industry": industry, "tier": tier, **scores}
        if kind == "workflow":
            steps = [{"agent": "researcher", "task": "collect"}, {"agent": "writer", "task": "draft"}]
            note = {"from": "researcher", "to": "writer", "at": self.ago(1), "note": "Budget holder found"}
            return {"steps": steps, "handoffs": [note]}
        if kind == "integration":
            return {"lastSyncAt": self.ago(0.2)}
        if kind == "webhook":
            return {"secret": f"whsec_{self.rng.getrandbits(128):032x}"}
        return {"userEmail": CREDENTIALS["email"], "status": "open"} if kind in ("bug", "enhancement") else {}

    def _times(self) -> list[float]:
        """When the main company's leads came, oldest first; the last two are those that the documents name."""
        number, rng, today = max(0, self.number - 2), self.rng, self.today
        winter = [WINTER + rng.random() * WINTER_DAYS * DAY for _ in range(number // 11)]
        recent = [today - (0.1 + rng.random() * DENSE_DAYS) * DAY for _ in range(number // 3)]
        rest = number - len(winter) - len(recent)
        spread = [today - (0.1 + rng.random() * SPAN_DAYS) * DAY for _ in range(rest)]
        return [*sorted(winter + recent + spread), today - 7200, today - 3600]

    def _leads(
        self, times: Sequence[float], company: str, owners: Sequence[str], campaigns: Sequence[str | None]
    ) -> None:
        """Leads of the company, oldest first; of the main one the newest two are lead_2 and lead_1, not enriched."""

        def made() -> Iterator[tuple[Record, leads.Changes]]:
            for place, at in enumerate(times, 1 - len(times)):
                named = len(owners) > 1 and place > -2
                passed = self._passed(at)
                lead = self._lead(f"lead_{1 - place}" if named else self.id(), passed, named)
                lead |= {"company_id": company, "owner": owners[0] if named else self.rng.choice(owners)}
                if campaign := self.rng.choice(campaigns):
                    lead["campaignId"] = campaign
                yield lead, passed

        leads.add(self.db, made())

    def _passed(self, at: float) -> list[tuple[str, str]]:
        """The statuses of a lead with their times, as far as they lie before the day of creation."""
        passed = [("new", iso(at))]
        for status in self.rng.choices(list(WAYS), list(WAYS.values()))[0]:
            at += self.rng.uniform(*DAYS_UNTIL[status]) * DAY
            if at > self.today:
                break
            passed.append((status, iso(at)))
        return passed

    def _lead(self, identity: str, passed: leads.Changes, plain: bool) -> Record:
        person = self._person()
        lead = {
            "id": identity,
            "lead_id": identity,
            **{name: person[name] for name in ("firstName", "lastName")},
            "fullName": person["name"],
            "contactName": person["name"],
            "email": person["email"],
            "companyName": person["companyName"],
            "companyDomain": domain(person["companyName"]),
            "title": self.rng.choice(TITLES),
            "phoneNumber": f"+44 20 7946 {self.rng.randrange(1000):04d}",  # a range that is given to nobody
            "linkedinUrl": "https://www.linkedin.com/in/" + person["email"].split("@")[0].replace(".", "-"),
            "status": passed[-1][0],
            "client_id": self._client(),
            "createdAt": passed[0][1],
            "updatedAt": passed[-1][1],
        }
        for kind in () if plain else jobs.TYPES:
            if self.rng.random() < 0.7:
                lead |= jobs.enriched(kind, lead)
        return lead

    def _person(self) -> dict[str, str]:
        """Somebody at some company, with an address that nobody else has."""
        rng = self.rng
        company = rng.choice(COMPANIES)
        first, last, local = rng.choice(OTHER_SCRIPTS)
        if rng.random() < 0.85:
            first, last = rng.choice(FIRST), rng.choice(LAST)
            local = _ascii(f"{first}.{last}")
        address = f"{local}@{domain(company)}"
        self.addresses[address] += 1
        if self.addresses[address] > 1:
            address = address.replace("@", f"{self.addresses[address]}@")
        name = f"{first} {last}"
        return {"firstName": first, "lastName": last, "name": name, "email": address, "companyName": company}

    def _client(self) -> str:
        return self.rng.choices(list(CLIENTS), list(CLIENTS.values()))[0]

    def _sources(self, company: str, owner: str, number: int) -> None:
        times = sorted(self.today - self.rng.random() * SPAN_DAYS * DAY for _ in range(number))
        rows = (self._source(place, at, company, owner) for place, at in enumerate(times, 1))
        query = "INSERT INTO source_leads(company_id, client_id, created_at, doc) VALUES (?, ?, ?, ?)"
        values = ((company, row["client_id"], row["importedAt"], pack(row)) for row in rows)
        self.db.executemany(query, values)

    def _source(self, number: int, at: float, company: str, owner: str) -> dict[str, Any]:
        person, source = self._person(), self.rng.choice(SOURCES)
        return {
            "id": self.id(),
            "source": source,
            "sourceUrl": f"https://{source.replace('_', '-')}.example/entries/{number}",
            "rawName": person["name"],
            "email": person["email"],
            "companyName": person["companyName"],
            "client_id": self._client(),
            "company_id": company,
            "owner": owner,
            "importedAt": iso(at),
        }

    def _enrolments(self, company: str) -> None:
        query = "SELECT seq FROM leads WHERE company_id = ? AND status = 'qualified' ORDER BY seq DESC LIMIT 40"
        seqs = [row["seq"] for row in self.db.execute(query, (company,))]
        query = "SELECT id FROM records WHERE kind = 'sequence' AND company_id = ? ORDER BY seq LIMIT 2"
        for place, (sequence,) in enumerate(self.db.execute(query, (company,)).fetchall()):
            rows = [(sequence, seq, self.ago(1)) for seq in seqs[: 40 - 25 * place]]
            self.db.executemany("INSERT INTO enrolments(sequence_id, lead, at) VALUES (?, ?, ?)", rows)


@cache
def domain(company: str) -> str:
    return "".join(letter for letter in company.lower() if letter.isalnum()) + ".example"


@cache
def _ascii(name: str) -> str:
    """A name as in an address: Latin letters without marks."""
    plain = name.lower().translate(str.maketrans({"ø": "o", "ı": "i", "'": None}))
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
