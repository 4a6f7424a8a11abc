"""The rule of ratelimit.py over Redis or Valkey, for fleets:
LGP_LIMITER=redis://[:password@]host:port/db.

The server's clock counts, so hosts with wrong clocks agree. A credential appears as its digest
alone, and its keys expire by themselves. While Redis cannot be reached, each host keeps to an
eighth of the limits through its own log.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from leadgenius.errors import LocalError, UsageError
from leadgenius.ratelimit import Look, RateLimiter, Times, eighth, kept

SECONDS = 2.0  # that a server may take to answer
REMEMBERED = 30.0  # seconds for which one that did not is not asked again

# What every script begins with. Keys: `done` (sorted set: slot, end), `open` (hash: slot, "at until
# started") and `pause` of the credential; `born` (when the data began) and `ids` of all. A slot is
# the negative of its number in there.
_HEAD = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local own, born, ids = 'leadgenius:' .. ARGV[1] .. ':', 'leadgenius:born', 'leadgenius:ids'
local done, open, pause = own .. 'done', own .. 'open', own .. 'pause'
local function text(number) return string.format('%.6f', number) end
local function paused() return tonumber(redis.call('GET', pause) or 0) end
"""
# Arguments: slot (0: a new one), seconds allowed, hold, then limit and length of each window, the
# shortest first; while the data is younger than that, an eighth of the limits counts. `times` are
# the slots in flight or waiting before this one, newest first; all in `done` are older.
_ACQUIRE = """
local slot, at, why, times = -tonumber(ARGV[2]), math.max(now, paused()), -1, {}
local shortest, longest = tonumber(ARGV[6]), tonumber(ARGV[#ARGV])
local entries = redis.call('HGETALL', open)
for i = 1, #entries, 2 do
  local start, ending, started = string.match(entries[i + 1], '(%S+) (%S+) (%S+)')
  if tonumber(ending) <= now then
    redis.call('HDEL', open, entries[i])
    redis.call('ZADD', done, ending, entries[i])
  elseif started == '1' or slot == 0 or tonumber(entries[i]) < slot then
    times[#times + 1] = math.max(tonumber(start), now)
  end
end
table.sort(times, function(one, other) return one > other end)
redis.call('ZREMRANGEBYSCORE', done, '-inf', text(now - longest))
redis.call('SETNX', born, text(now))
local fresh = now - redis.call('GET', born) < shortest
for i = 5, #ARGV, 2 do
  local limit, length = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if fresh then limit = math.max(1, math.floor(limit / 8)) end
  local nth = times[limit]
  if not nth then
    local rank = limit - #times - 1
    nth = tonumber(redis.call('ZREVRANGE', done, rank, rank, 'WITHSCORES')[2])
  end
  if nth and nth + length > at then at, why = nth + length, (i - 5) / 2 end
end
if at - now <= tonumber(ARGV[3]) then
  if slot == 0 then slot = redis.call('INCR', ids) end
  local started = at <= now and '1' or '0'
  redis.call('HSET', open, slot, text(at) .. ' ' .. text(at + ARGV[4]) .. ' ' .. started)
  local keep = math.ceil(longest + at - now)
  redis.call('EXPIRE', done, keep)
  redis.call('EXPIRE', open, keep)
end
return {-slot, text(at - now), why, fresh and 1 or 0}
"""
# Arguments: slot, seconds to keep what has ended, pause.
_SETTLE = """
local slot = -tonumber(ARGV[2])
if redis.call('HDEL', open, slot) == 1 then
  redis.call('ZADD', done, text(now), slot)
  redis.call('EXPIRE', done, math.ceil(ARGV[3]))
end
if tonumber(ARGV[4]) > 0 and now + ARGV[4] > paused() then
  redis.call('SET', pause, text(now + ARGV[4]), 'EX', math.ceil(ARGV[4]) + 1)
end
return {1}
"""
# Now, the end of the pause, then the ends of the requests; those in flight end now.
_TIMES = """
local found = {text(now), text(paused())}
local ended = redis.call('ZRANGE', done, 0, -1, 'WITHSCORES')
for i = 2, #ended, 2 do found[#found + 1] = ended[i] end
for _ = 1, redis.call('HLEN', open) do found[#found + 1] = text(now) end
return found
"""


class RedisLog(RateLimiter):
    """RateLimiter over the server at `url`, with the log at `path` to fall back to. Its slots are
    negative there.
    """

    def __init__(self, url: str, *args: Any) -> None:
        super().__init__(*args)
        self._all, self._failed = self.windows, 0.0
        self._marker = self.path.with_name("redis-unreachable")
        try:
            from redis import Redis

            self._redis: Any = Redis.from_url(
                url,
                decode_responses=True,
                retry=None,
                socket_timeout=SECONDS,
                socket_connect_timeout=SECONDS,
            )
        except ImportError:
            raise LocalError(
                "LGP_LIMITER needs the package redis.", "python3 -m pip install redis"
            ) from None
        except ValueError:  # its text shows the password
            raise UsageError(
                "LGP_LIMITER must look like redis://host:6379/0.", code="invalid_input"
            ) from None

    def clear(self) -> int:
        """Lift every pause; returns their number."""
        redis = self._redis
        lifted = self._ask(lambda: sum(map(redis.delete, redis.scan_iter("leadgenius:*:pause"))))
        return lifted or super().clear()

    def _times(self) -> Times:
        def work() -> Times:
            names = {key.split(":")[1] for key in redis.scan_iter("leadgenius:*:*")}
            return {name: [*map(float, redis.eval(_HEAD + _TIMES, 0, name))] for name in names}

        redis = self._redis
        return self._ask(work) or super()._times()

    def _look(self, credential: str, slot: int, left: float, hold: float) -> Look:
        arguments = [min(slot, 0), left, hold]
        for limit, seconds in self._all:
            arguments += [limit, kept(seconds)]
        found = self._eval(_ACQUIRE, credential, *arguments)
        self.windows = self._all if found and not found[3] else eighth(self._all)
        if not found:
            return super()._look(credential, max(slot, 0), left, hold)
        return found[0], float(found[1]), found[2]

    def settle(self, credential: str, slot: int, pause: float) -> None:
        """See RateLimiter; every host stops. A slot of the log here is settled here."""
        arguments = slot, self._all[-1].seconds + 60, pause
        if slot > 0 or not self._eval(_SETTLE, credential, *arguments):
            super().settle(credential, slot, pause)

    def _eval(self, script: str, credential: str, *arguments: float) -> Any:
        return self._ask(lambda: self._redis.eval(_HEAD + script, 0, credential, *arguments))

    def _ask(self, work: Callable[[], Any]) -> Any:
        """`work`, or None while the server cannot be reached: the time of a file says when a
        process of this machine met that last, so that not each of them waits for it.
        """
        from redis import RedisError

        now = self._time.time()
        with suppress(OSError):
            self._failed = self._marker.stat().st_mtime
        if abs(now - self._failed) >= REMEMBERED:
            while self._time.time() - now < SECONDS:  # a restart takes a moment
                try:
                    return work()
                except RedisError:
                    self._time.sleep(0.1)
            self._failed = now
            with suppress(OSError):
                self._marker.touch(0o600)
        self._on_note(
            "warning",
            "Redis (LGP_LIMITER) cannot be used; this machine keeps to an eighth of the limits.",
        )
        return None
