"""The windows of a rate limit, and times written out."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import NamedTuple

from leadgenius.errors import UsageError

DEFAULT_WINDOWS = "60/60,1000/3600,10000/86400"  # stated by the vendor, per key


class Window(NamedTuple):
    """At most `limit` requests in any `seconds`."""

    limit: int
    seconds: float

    @property
    def guarded(self) -> float:
        """Seconds that we keep to: longer than stated by the lesser of one second and two per cent."""
        return self.seconds + min(1.0, 0.02 * self.seconds)


class Windows(tuple[Window, ...]):
    """All windows of one rate limit; they are decided together."""

    @classmethod
    def parse(cls, text: str) -> Windows:
        """`60/60,1000/3600` (requests/seconds, the form of LGP_RATE_LIMITS). Raises UsageError on anything else."""
        return cls(cls._window(part, at) for at, part in enumerate(text.split(","), 1))

    @staticmethod
    def _window(part: str, at: int) -> Window:
        # ASCII digits, nine at most: int() takes digits of any script, and refuses thousands of them in its own way
        found = re.fullmatch(r"\s*0*([1-9][0-9]{0,8})\s*/\s*0*([1-9][0-9]{0,8})\s*", part)
        if not found:
            raise UsageError(
                f"LGP_RATE_LIMITS: part {at} is not requests/seconds, two whole numbers from 1 to 999999999",
                hint=f"for example LGP_RATE_LIMITS={DEFAULT_WINDOWS}",
            )
        return Window(int(found[1]), float(found[2]))

    @property
    def shortest(self) -> Window:
        """The window that X-RateLimit headers speak of."""
        return min(self, key=lambda window: window.seconds)

    @property
    def longest(self) -> Window:
        return max(self, key=lambda window: window.seconds)

    def divided(self, share: int) -> Windows:
        """The part of one among `share` that cannot see each other: at least one request per window."""
        return Windows(Window(max(1, window.limit // share), window.seconds) for window in self)


def iso(moment: float) -> str:
    """ISO 8601, UTC, milliseconds rounded up: a time to come back at must not be too early."""
    at = datetime.fromtimestamp(math.ceil(moment * 1000) / 1000, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
