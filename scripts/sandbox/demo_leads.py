"""The demo leads: when they came, how far they got, whose they are."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from sandbox import leadstore, technographics
from sandbox.names import CLIENTS, COMPANIES, PEOPLE, SOURCES, TITLES, domain
from sandbox.store import pack
from sandbox.times import iso

DAY = 86400.0
SPAN_DAYS, DENSE_DAYS = 400, 30
LEADS, WINTER_LEADS, UNASSIGNED_LEADS, SOURCE_LEADS = 1500, 130, 12, 2000
SMALL_LEADS, SMALL_SOURCE_LEADS = 40, 60
# January and February 2026: the period of the documented pipeline line.
WINTER = (datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp(), 58 * DAY)
WAYS = [  # (what a lead passes after new, its weight)
    ((), 40),
    (("qualified",), 22),
    (("qualified", "contacted"), 18),
    (("qualified", "contacted", "converted"), 8),
    (("unqualified",), 8),
    (("qualified", "unqualified"), 4),
]
DAYS_UNTIL = {"qualified": (0.5, 6), "contacted": (0.5, 8), "converted": (4, 24), "unqualified": (1, 9)}

Lead = dict[str, Any]
Passed = list[tuple[str, str]]


def fill(
    db: sqlite3.Connection,
    rng: random.Random,
    today: float,
    company: str,
    owners: Sequence[str],
    campaigns: Sequence[str],
) -> None:
    """1,500 leads of the company, oldest first, lead_1 and lead_2 the newest; some of its agent's own; sources.

    The owners share the leads evenly, so that each misses older ones of the other's beyond the search depth.
    """
    times = _times(rng, today)
    made = [_lead(rng, number, at, today) for number, at in enumerate(times, 1)]
    for number, (lead, _) in enumerate(made, 1):
        lead |= {"company_id": company, "owner": rng.choice(owners), "campaignId": rng.choice(campaigns)}
        if number > LEADS - 2:
            _rename(lead, f"lead_{LEADS + 1 - number}", owners[0])
    leadstore.add(db, made)
    own = [_lead(rng, 9000 + number, today - number * DAY, today) for number in range(1, UNASSIGNED_LEADS + 1)]
    leadstore.add(db, [({**lead, "owner": owners[0]}, passed) for lead, passed in own])
    _sources(db, rng, today, company, owners[0], SOURCE_LEADS)


def fill_small(db: sqlite3.Connection, rng: random.Random, today: float, company: str, owner: str) -> None:
    made = [_lead(rng, number, today - rng.uniform(0, 200) * DAY, today) for number in range(1, SMALL_LEADS + 1)]
    leadstore.add(db, [({**lead, "company_id": company, "owner": owner}, passed) for lead, passed in made])
    _sources(db, rng, today, company, owner, SMALL_SOURCE_LEADS)


def _times(rng: random.Random, today: float) -> list[float]:
    winter = [WINTER[0] + rng.random() * WINTER[1] for _ in range(WINTER_LEADS)]
    recent = [today - (0.1 + rng.random() * DENSE_DAYS) * DAY for _ in range(500)]
    spread = [today - (0.1 + rng.random() * SPAN_DAYS) * DAY for _ in range(LEADS - WINTER_LEADS - len(recent) - 2)]
    # The documented leads are the newest of the days before the creation.
    return [*sorted(winter + recent + spread), today - 7200, today - 3600]


def _lead(rng: random.Random, number: int, at: float, today: float) -> tuple[Lead, Passed]:
    first, last = rng.choice(PEOPLE)
    company = rng.choice(COMPANIES)
    identity = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    passed = _passed(rng, at, today)
    lead = {
        "id": identity,
        "lead_id": identity,
        "firstName": first,
        "lastName": last,
        "fullName": f"{first} {last}",
        "contactName": f"{first} {last}",
        "email": f"contact.{number}@{domain(company)}",
        "companyName": company,
        "companyDomain": domain(company),
        "title": rng.choice(TITLES),
        "phoneNumber": f"+1 555 01{number % 100:02d}",
        "linkedinUrl": f"https://www.linkedin.com/in/demo-{number}",
        "status": passed[-1][0],
        "client_id": rng.choices(CLIENTS, weights=(5, 3, 2))[0],
        "createdAt": passed[0][1],
        "updatedAt": passed[-1][1],
    }
    for kind in technographics.TYPES:
        if rng.random() < 0.7:
            lead |= technographics.found(kind, lead)
    return lead, passed


def _passed(rng: random.Random, at: float, today: float) -> Passed:
    """The statuses of a lead with their times, as far as they lie before the day of creation."""
    passed = [("new", iso(at))]
    for status in rng.choices([way for way, _ in WAYS], weights=[weight for _, weight in WAYS])[0]:
        at += rng.uniform(*DAYS_UNTIL[status]) * DAY
        if at > today:
            break
        passed.append((status, iso(at)))
    return passed


def _rename(lead: Lead, identity: str, owner: str) -> None:
    """One of the leads that the documents name: the Master Admin's, with nothing enriched yet."""
    lead |= {"id": identity, "lead_id": identity, "owner": owner}
    for name in ("technologies", "employeeCount", "industry", "emailStatus"):
        lead.pop(name, None)


def _sources(db: sqlite3.Connection, rng: random.Random, today: float, company: str, owner: str, number: int) -> None:
    times = sorted(today - rng.random() * SPAN_DAYS * DAY for _ in range(number))
    rows = [_source(rng, place, at, company, owner) for place, at in enumerate(times, 1)]
    query = "INSERT INTO source_leads(company_id, client_id, doc) VALUES (?, ?, ?)"
    db.executemany(query, [(company, row["client_id"], pack(row)) for row in rows])


def _source(rng: random.Random, number: int, at: float, company: str, owner: str) -> Lead:
    employer, source = rng.choice(COMPANIES), rng.choice(SOURCES)
    return {
        "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "source": source,
        "sourceUrl": f"https://{source.replace('_', '-')}.example/entries/{number}",
        "rawName": " ".join(rng.choice(PEOPLE)),
        "email": f"raw.{number}@{domain(employer)}",
        "companyName": employer,
        "client_id": rng.choices(CLIENTS, weights=(5, 3, 2))[0],
        "company_id": company,
        "owner": owner,
        "importedAt": iso(at),
    }
