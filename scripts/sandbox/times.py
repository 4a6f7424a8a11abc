"""Times on the wire: ISO 8601 in UTC with milliseconds and a Z; dates are YYYY-MM-DD."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

DEFAULT_SPAN_DAYS = 30
LAST_MOMENT = "T23:59:59.999Z"


def iso(epoch: float) -> str:
    """Epoch seconds as `2026-02-08T09:30:00.000Z`. These strings sort as the times do."""
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(epoch: float) -> date:
    return datetime.fromtimestamp(epoch, timezone.utc).date()


def span(start: date | None, end: date | None, now: float) -> tuple[date, date]:
    """The whole UTC days asked for, both included: 30 of them when one end or both are missing."""
    reach = timedelta(days=DEFAULT_SPAN_DAYS - 1)
    if start is None:
        end = end or day(now)
        return (end - reach if end - date.min > reach else date.min), end
    return start, end or (start + reach if date.max - start > reach else date.max)
