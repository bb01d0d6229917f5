"""What Valkey runs: each script as a whole, with nothing of anybody else's between. Times are microseconds, of its own
clock. Where that goes back, as to another server's after a failover, a bucket is empty at the worst, and never longer
ahead than a burst."""

from resolvers.limit import KNOWN_PLACES, KNOWN_SECONDS

# KEYS: for each charge its bucket, and the places of its account (or the bucket again, where it knows none).
# ARGV: how many to take of each (0: only look); for each charge what one costs, how far ahead it may be before there is
# no room for one, and the place for which it does not count ("": for all).
# Gives how long to wait, and for each charge whether it counts.
TAKE = f"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local count = tonumber(ARGV[1])
local answer, times = {{0}}, {{}}
for i = 1, #KEYS / 2 do
  local bucket, places = KEYS[2 * i - 1], KEYS[2 * i]
  local cost, ahead, place = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), ARGV[3 * i + 1]
  local known = place ~= '' and tonumber(redis.call('ZSCORE', places, place) or 0) or 0
  if known > time[1] - {KNOWN_SECONDS} then
    answer[i + 1] = 0
  else
    local at = tonumber(redis.call('GET', bucket) or now) or now
    at = math.max(now, math.min(at, now + ahead + cost))
    answer[1] = math.max(answer[1], at - now - ahead)
    answer[i + 1] = 1
    times[bucket] = at + count * cost
  end
end
if answer[1] == 0 and count > 0 then
  for bucket, at in pairs(times) do
    redis.call('SET', bucket, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000))
  end
end
return answer
"""

# KEYS: the buckets; behind them, where a place is to be known, the places of its account.
# ARGV: the place ("": none); for each bucket what is given back.
# Gives how many buckets there were.
GIVE_BACK = f"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 2, #ARGV do
  local bucket = KEYS[i - 1]
  local at = (tonumber(redis.call('GET', bucket) or now) or now) - ARGV[i]
  if at > now then
    redis.call('SET', bucket, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000))
  else
    redis.call('DEL', bucket)
  end
end
if ARGV[1] ~= '' then
  local places = KEYS[#ARGV]
  redis.call('ZADD', places, time[1], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', places, '-inf', time[1] - {KNOWN_SECONDS})
  redis.call('ZREMRANGEBYRANK', places, 0, -{KNOWN_PLACES + 1})
  redis.call('EXPIRE', places, {KNOWN_SECONDS})
end
return {{#ARGV - 1}}
"""
