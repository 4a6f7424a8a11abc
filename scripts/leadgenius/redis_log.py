"""The rule of ratelimit.py over Redis or Valkey, for fleets:
LGP_LIMITER=redis://[:password@]host:port/db.

The server's clock counts, so hosts with wrong clocks agree. A credential appears as its digest
alone, and its keys expire by themselves. While Redis cannot be reached, each host keeps to an
eighth of the limits through its own log.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

from leadgenius.errors import LocalError, UsageError
from leadgenius.ratelimit import SHARE, Look, RateLimiter, eighth, kept, usage

SECONDS = 2.0  # that a server may take to answer
REMEMBERED = 30.0  # seconds for which no process of this machine asks one again that did not
_PREFIX = "leadgenius:"
T = TypeVar("T")

# Keys: done (sorted set: slot, end), open (hash: slot, "at until started"), pause, born (when the
# data began).
# `times` are the slots in flight or waiting before this one, newest first; all in `done` are older.
# Arguments: slot
# (0: a new one), seconds allowed, hold, keep, shortest window, share, then limit and length of each
# window.
_ACQUIRE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local slot, at, why, times = tonumber(ARGV[1]), now, -1, {}
local function text(number) return string.format('%.6f', number) end
local open = redis.call('HGETALL', KEYS[2])
for i = 1, #open, 2 do
  local start, ending, started = string.match(open[i + 1], '(%S+) (%S+) (%S+)')
  if tonumber(ending) <= now then
    redis.call('HDEL', KEYS[2], open[i])
    redis.call('ZADD', KEYS[1], ending, open[i])
  elseif started == '1' or slot == 0 or tonumber(open[i]) < slot then
    times[#times + 1] = math.max(tonumber(start), now)
  end
end
table.sort(times, function(one, other) return one > other end)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - ARGV[4]))
local pause = tonumber(redis.call('GET', KEYS[3]) or 0)
if pause > now then at = pause end
redis.call('SETNX', KEYS[4], text(now))
local fresh = now - redis.call('GET', KEYS[4]) < tonumber(ARGV[5])
for i = 7, #ARGV, 2 do
  local limit, length = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if fresh then limit = math.max(1, math.floor(limit / ARGV[6])) end
  local nth = times[limit]
  if not nth then
    local rank = limit - #times - 1
    nth = tonumber(redis.call('ZREVRANGE', KEYS[1], rank, rank, 'WITHSCORES')[2])
  end
  if nth and nth + length > at then at, why = nth + length, (i - 7) / 2 end
end
if at - now <= tonumber(ARGV[2]) then
  if slot == 0 then slot = redis.call('INCR', KEYS[5]) end
  local started = at <= now and '1' or '0'
  redis.call('HSET', KEYS[2], slot, text(at) .. ' ' .. text(at + ARGV[3]) .. ' ' .. started)
  local keep = math.ceil(ARGV[4] + at - now)
  for i = 1, 2 do redis.call('EXPIRE', KEYS[i], keep) end
end
return {slot, text(now), text(at), why, fresh and 1 or 0}
"""
_SETTLE = """
local clock = redis.call('TIME')
if redis.call('HDEL', KEYS[2], ARGV[1]) == 1 then
  redis.call('ZADD', KEYS[1], string.format('%.6f', clock[1] + clock[2] / 1000000), ARGV[1])
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return {1}
"""
_PENALIZE = """
local clock = redis.call('TIME')
local until_ = clock[1] + clock[2] / 1000000 + ARGV[1]
if until_ > tonumber(redis.call('GET', KEYS[3]) or 0) then
  redis.call('SET', KEYS[3], string.format('%.6f', until_), 'EX', math.ceil(ARGV[1]) + 1)
end
return {1}
"""


class RedisLog(RateLimiter):
    """RateLimiter over the server at `url`, with the log at `path` to fall back to. Its slots are
    negative there.
    """

    def __init__(self, url: str, *args: Any) -> None:
        super().__init__(*args)
        self._all, self._failed, self._warned = self.windows, 0.0, False
        self._marker = self.path and self.path.with_name("redis-unreachable")
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            options: dict[str, Any] = {"socket_timeout": SECONDS, "decode_responses": True}
            options |= {"socket_connect_timeout": SECONDS, "retry": Retry(NoBackoff(), 0)}
            self._redis: Any = redis.Redis.from_url(url, **options)
        except ImportError:
            hint = "python3 -m pip install redis"
            raise LocalError("LGP_LIMITER needs the package redis.", hint=hint) from None
        except ValueError:  # its text shows the password
            message = "LGP_LIMITER must look like redis://host:6379/0."
            raise UsageError(message, code="invalid_input") from None
        self._error = redis.RedisError

    def report(self) -> list[dict[str, Any]]:
        return self._ask(self._rows) or super().report()

    def clear(self) -> int:
        def work() -> int:
            pauses = list(self._redis.scan_iter(f"{_PREFIX}*:pause"))
            return int(self._redis.delete(*pauses)) if pauses else 0

        return self._ask(work) or super().clear()

    def close(self) -> None:
        super().close()
        self._redis.close()

    def _look(self, credential: str, slot: int, left: float, hold: float) -> Look:
        lengths = [kept(window.seconds) for window in self._all]
        arguments = [-min(slot, 0), left, hold, lengths[-1], lengths[0], SHARE]
        for window, length in zip(self._all, lengths, strict=True):
            arguments += [window.limit, length]
        found = self._eval(_ACQUIRE, credential, *arguments)
        self.windows = self._all if found and not found[4] else eighth(self._all)
        if not found:
            return super()._look(credential, max(slot, 0), left, hold)
        return Look(-int(found[0]), float(found[1]), float(found[2]), int(found[3]))

    def _settle(self, credential: str, slot: int) -> None:
        if slot > 0:
            super()._settle(credential, slot)
        else:
            self._eval(_SETTLE, credential, -slot, int(self._all[-1].seconds) + 60)

    def penalize(self, credential: str, seconds: float) -> None:
        if not self._eval(_PENALIZE, credential, seconds):
            super().penalize(credential, seconds)

    def _rows(self) -> list[dict[str, Any]]:
        now, rows = float(self._redis.time()[0]), []
        for name in sorted({key.split(":")[1] for key in self._redis.scan_iter(f"{_PREFIX}*:*")}):
            done, running, pause, *_ = _keys(name)
            until = float(self._redis.get(pause) or 0)
            for window in self._all:
                since = now - kept(window.seconds)
                ended = self._redis.zrangebyscore(done, since, "+inf", withscores=True)
                used = len(ended) + self._redis.hlen(running)
                rows.append(usage(name, window, used, ended[0][1] if ended else None, until, now))
        return rows

    def _eval(self, script: str, credential: str, *arguments: float) -> list[Any] | None:
        keys = _keys(credential)
        return self._ask(lambda: self._redis.eval(script, len(keys), *keys, *arguments))

    def _ask(self, work: Callable[[], T]) -> T | None:
        """`work`, or None while the server cannot be reached: the marker's time is when a process
        of this machine met that last.
        """
        now = self._time.time()
        with contextlib.suppress(OSError):
            if self._marker:
                self._failed = max(self._failed, self._marker.stat().st_mtime)
        if now - self._failed >= REMEMBERED:
            while self._time.time() - now < SECONDS:  # a restart takes a moment
                try:
                    return work()
                except (self._error, OSError):
                    self._time.sleep(0.1)
            self._failed = now
            with contextlib.suppress(OSError):
                if self._marker:
                    self._marker.touch(0o600)
                    os.utime(self._marker, (now, now))
        if not self._warned:
            self._warned = True
            words = "cannot be used; this machine keeps to an eighth of the limits."
            self._on_note("warning", f"Redis (LGP_LIMITER) {words}")
        return None


def _keys(credential: str) -> list[str]:
    own = [f"{_PREFIX}{credential}:{name}" for name in ("done", "open", "pause")]
    return [*own, f"{_PREFIX}born", f"{_PREFIX}ids"]
