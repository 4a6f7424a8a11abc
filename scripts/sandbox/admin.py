"""Administration: every company and every user of the platform, for Master Admins."""

from __future__ import annotations

from sandbox.answers import Answer
from sandbox.pages import Page
from sandbox.routes import Call, route

COMPANIES = """SELECT id, name, owner,
    (SELECT count(*) FROM users WHERE users.company_id = companies.id) AS memberCount,
    (SELECT count(*) FROM leads WHERE leads.company_id = companies.id) AS leadCount,
    created_at AS createdAt FROM companies ORDER BY created_at DESC, id"""
USERS = """SELECT id, email, role, company_id, status, created_at AS createdAt FROM users
    ORDER BY created_at DESC, id"""


@route("GET", "/api/admin/companies", "admin.companies", needs="admin")
def companies(call: Call) -> Answer:
    return Page.of(call.query).cut([dict(row) for row in call.db.execute(COMPANIES)])


@route("GET", "/api/admin/users", "admin.users", needs="admin")
def users(call: Call) -> Answer:
    return Page.of(call.query).cut([dict(row) for row in call.db.execute(USERS)])
