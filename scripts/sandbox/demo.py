"""The demo data: two companies with what a working account holds, the same on every machine.

Ids and texts come from a fixed seed, times are relative to the day of creation. `CREDENTIALS` are
the keys and passwords that open it; they open nothing else. Domains end in .example, which nobody
can own.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import string
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import cache
from itertools import islice
from pathlib import Path

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
    "": 40,
    "qualified": 22,
    "qualified contacted": 18,
    "qualified contacted converted": 8,
    "unqualified": 8,
    "qualified unqualified": 4,
}
DAYS_UNTIL = {
    "qualified": (0.5, 6),
    "contacted": (0.5, 8),
    "converted": (4, 24),
    "unqualified": (1, 9),
}

DATA = jobs.INVENTED


def _letters(name: str, length: int, alphabet: str = "0123456789abcdef") -> str:
    return "".join(random.Random(f"{SEED} {name}").choices(alphabet, k=length))


ALPHANUMERIC = string.ascii_lowercase + string.digits
CREDENTIALS = {
    "email": "your@email.com",
    "company_id": f"company-1735689600000-{_letters('company', 7, ALPHANUMERIC)}",
    "amplify_api_key": "da2-" + _letters("amplify key", 26, ALPHANUMERIC),
    "user_email": "member@fernhill.example",
    "other_email": "owner@kestrel.example",
    "other_company_id": f"company-1751328000000-{_letters('other company', 7, ALPHANUMERIC)}",
    "other_amplify_api_key": "da2-" + _letters("other amplify key", 26, ALPHANUMERIC),
}
for whose in ("", "user_", "other_"):
    CREDENTIALS[whose + "password"] = "sandbox-" + _letters("password", 12)
    CREDENTIALS[whose + "api_key"] = "lgp_" + _letters(whose + "api key", 64)


def make(database: Path, now: float, number: int | None = None, reset: bool = False) -> bool:
    """The database with the demo data, `number` leads in the main company, unless it exists.

    Returns whether it was made now; see `store.prepare`, also for what it raises.
    """
    return store.prepare(database, lambda db: Demo(db, now, number or LEADS).fill(), reset)


class Demo:
    """Fills an empty database. `now` is in epoch seconds; only its day counts."""

    def __init__(self, db: sqlite3.Connection, now: float, number: int) -> None:
        self.db, self.number = db, max(2, number)
        self.today = now // DAY * DAY
        self.rng = random.Random(SEED)
        self.addresses: Counter[str] = Counter()

    def fill(self) -> None:
        first, second = CREDENTIALS["company_id"], CREDENTIALS["other_company_id"]
        admin = self._user("", MASTER_ADMIN, first, 420)
        member = self._user("user_", "user", first, 300)
        other = self._user("other_", "admin", second, 230)
        rows = [(first, "Fernhill Demand Partners", admin, self.ago(420))]
        rows += [(second, "Kestrel Outreach", other, self.ago(230))]
        self.db.executemany(
            "INSERT INTO companies(id, name, owner, created_at) VALUES (?, ?, ?, ?)", rows
        )
        campaigns = self._records(first, admin)
        self._records(second, other, most=1)
        # The owners share the leads evenly, so that each misses older ones of the other's beyond
        # the search depth.
        self._leads(self._times(), first, (admin, member), campaigns)
        times = sorted(self.today - self.rng.uniform(0, 200) * DAY for _ in range(OTHER_LEADS))
        self._leads(times, second, (other,), (None,))
        self._sources(first, admin, self.number * 4 // 3)
        self._sources(second, other, OTHER_LEADS)
        self._enrolments(first)

    def id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def ago(self, days: float) -> str:
        return iso(self.today - days * DAY)

    def _user(self, whose: str, role: str, company: str, age: int) -> str:
        """A user with a password and an agent key.

        The owner of a company with its Amplify key. Returns the id.
        """
        user, key = self.id(), CREDENTIALS[whose + "api_key"]
        query = """INSERT INTO users(id, email, password, role, company_id, status, created_at)
            VALUES (?, ?, ?, ?, ?, 'active', ?)"""
        password = accounts.digest(CREDENTIALS[whose + "password"])
        self.db.execute(
            query, (user, CREDENTIALS[whose + "email"], password, role, company, self.ago(age))
        )
        texts = {"name": "Prospecting agent", "description": "Nightly list building"}
        shown = {"id": self.id(), **texts, "keyPrefix": key[:10], "createdAt": self.ago(100)}
        accounts.store_key(self.db, key, user, shown)
        if bulk := CREDENTIALS.get(whose + "amplify_api_key"):
            query = "INSERT INTO amplify_keys(digest, company_id) VALUES (?, ?)"
            self.db.execute(query, (accounts.digest(bulk), company))
        return user

    def _records(self, company: str, owner: str, most: int = 100) -> list[str]:
        """The company's records beside leads, at most so many of each kind.

        Returns the ids of its campaigns.
        """
        text = re.sub(r"@(date|time) ([-0-9.]+)", self._dated, json.dumps(DATA["records"]))
        ids = {}
        for place, (kind, rows) in enumerate(json.loads(text).items()):
            for number, row in enumerate(rows[:most]):
                at = self.ago(380 - 40 * place - number * (60 // len(rows)))
                row |= {
                    "id": self.id(),
                    "company_id": company,
                    "owner": owner,
                    "createdAt": at,
                    "updatedAt": at,
                }
            store.add_records(self.db, kind, rows[:most])
            ids[kind] = [row["id"] for row in rows[:most]]
        return ids["campaign"]

    def _dated(self, found: re.Match[str]) -> str:
        """`@date 30` and `@time 0.5` are so many days ago."""
        return self.ago(float(found[2]))[: 10 if found[1] == "date" else None]

    def _times(self) -> list[float]:
        """When the main company's leads came, oldest first.

        The last two are those that the documents name.
        """
        number, night = self.number - 2, self.today - 0.1 * DAY
        spans = [(WINTER + WINTER_DAYS * DAY, WINTER_DAYS)] * (number // 11)
        spans += [(night, DENSE_DAYS)] * (number // 3)
        spans += [(night, SPAN_DAYS)] * (number - len(spans))
        times = sorted(end - self.rng.random() * days * DAY for end, days in spans)
        return [*times, self.today - 7200, self.today - 3600]

    def _leads(
        self,
        times: Sequence[float],
        company: str,
        owners: Sequence[str],
        campaigns: Sequence[str | None],
    ) -> None:
        """Leads of the company, oldest first.

        Of the main one the newest two are lead_2 and lead_1, not enriched.
        """

        def made() -> Iterator[tuple[Record, leads.Changes]]:
            for place, at in enumerate(times, 1 - len(times)):
                named = len(owners) > 1 and place > -2
                passed = self._passed(at)
                lead = self._lead(f"lead_{1 - place}" if named else self.id(), passed)
                for kind in () if named else jobs.TYPES:
                    lead |= jobs.enriched(kind, lead) if self.rng.random() < 0.7 else {}
                lead |= {
                    "company_id": company,
                    "owner": owners[0] if named else self.rng.choice(owners),
                }
                campaign = self.rng.choice(campaigns)
                yield lead | ({"campaignId": campaign} if campaign else {}), passed

        rows = made()
        while batch := list(islice(rows, 5000)):
            leads.add(self.db, batch)

    def _passed(self, at: float) -> list[tuple[str, str]]:
        """The statuses of a lead with their times, up to the day of creation."""
        passed = [("new", iso(at))]
        way = self.rng.choices(list(WAYS), list(WAYS.values()))[0]
        for status in way.split():
            at += self.rng.uniform(*DAYS_UNTIL[status]) * DAY
            if at > self.today:
                break
            passed.append((status, iso(at)))
        return passed

    def _lead(self, identity: str, passed: leads.Changes) -> Record:
        first, last, email, company = self._person()
        return {
            "id": identity,
            "lead_id": identity,
            "firstName": first,
            "lastName": last,
            "fullName": f"{first} {last}",
            "contactName": f"{first} {last}",
            "email": email,
            "companyName": company,
            "companyDomain": domain(company),
            "title": self.rng.choice(DATA["titles"]),
            # The numbers of this range are given to nobody.
            "phoneNumber": f"+44 20 7946 {self.rng.randrange(1000):04d}",
            "linkedinUrl": "https://www.linkedin.com/in/" + email.split("@")[0].replace(".", "-"),
            "status": passed[-1][0],
            "client_id": self.rng.choice(DATA["clients"]),
            "createdAt": passed[0][1],
            "updatedAt": passed[-1][1],
        }

    def _person(self) -> tuple[str, str, str, str]:
        """First and last name, an address that nobody else has, and a company."""
        company = self.rng.choice(DATA["companies"])
        first, last, local = self.rng.choice(DATA["people_of_other_scripts"])
        if self.rng.random() < 0.85:
            first, last = self.rng.choice(DATA["first_names"]), self.rng.choice(DATA["last_names"])
            local = _ascii(f"{first}.{last}")
        address = f"{local}@{domain(company)}"
        number = self.addresses[address] or ""
        self.addresses[address] += 1
        return first, last, address.replace("@", f"{number}@"), company

    def _sources(self, company: str, owner: str, number: int) -> None:
        times = sorted(self.today - self.rng.random() * SPAN_DAYS * DAY for _ in range(number))
        rows = (self._source(place, iso(at), company, owner) for place, at in enumerate(times, 1))
        query = """INSERT INTO source_leads(company_id, client_id, created_at, doc)
            VALUES (?, ?, ?, ?)"""
        self.db.executemany(query, rows)

    def _source(self, number: int, at: str, company: str, owner: str) -> tuple[str, ...]:
        """A row of source_leads."""
        first, last, email, employer = self._person()
        source, client = self.rng.choice(DATA["sources"]), self.rng.choice(DATA["clients"])
        lead = {
            "id": self.id(),
            "source": source,
            "sourceUrl": f"https://{source.replace('_', '-')}.example/entries/{number}",
            "rawName": f"{first} {last}",
            "email": email,
            "companyName": employer,
            "client_id": client,
            "company_id": company,
            "owner": owner,
            "importedAt": at,
        }
        return company, client, at, pack(lead)

    def _enrolments(self, company: str) -> None:
        """Qualified leads in each active sequence."""
        query = """INSERT INTO enrolments(sequence_id, lead, at)
            SELECT records.id, found.seq, :at FROM records, (SELECT seq FROM leads
                WHERE company_id = :company AND status = 'qualified' ORDER BY seq DESC LIMIT 40)
            AS found WHERE kind = 'sequence' AND company_id = :company
                AND json_extract(doc, '$.status') = 'active'"""
        self.db.execute(query, {"at": self.ago(1), "company": company})


@cache
def domain(company: str) -> str:
    return "".join(letter for letter in company.lower() if letter.isalnum()) + ".example"


@cache
def _ascii(name: str) -> str:
    """A name as in an address: Latin letters without marks."""
    plain = name.lower().translate(str.maketrans("øı", "oi", "'"))
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
