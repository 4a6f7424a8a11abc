"""Maintenance: bugs reported and enhancements requested."""

from __future__ import annotations

from sandbox import checks, records
from sandbox.answers import Answer, said
from sandbox.routes import Call, route

REPORT = checks.record({"description": checks.text, "userEmail": checks.email}, ["description"])


@route("GET", "/api/agent/maintenance/bugs", "maintenance.bugs.list")
def list_bugs(call: Call) -> Answer:
    return records.listed(call, "bug")


@route("POST", "/api/agent/maintenance/bugs", "maintenance.bugs.report")
def report_bug(call: Call) -> Answer:
    """201 with `bug` at the top level."""
    return _add(call, "bug")


@route("GET", "/api/agent/maintenance/enhancements", "maintenance.enhancements.list")
def list_enhancements(call: Call) -> Answer:
    return records.listed(call, "enhancement")


@route("POST", "/api/agent/maintenance/enhancements", "maintenance.enhancements.request")
def request_enhancement(call: Call) -> Answer:
    """201 with `enhancement` at the top level."""
    return _add(call, "enhancement")


def _add(call: Call, kind: str) -> Answer:
    report = records.add(call, kind, records.checked(call, REPORT), userEmail=None, status="open")
    return said(201, **{kind: report})
