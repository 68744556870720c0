-- A workstation's state is shown on a project's roster, or taken from it, where it is newer than what is known there.
-- KEYS[4]  sorted set: member's key by the revision that it is shown with
-- KEYS[5]  sorted set: member's key by the revision that it left with: an older state can't bring it back
-- ARGV: key, revision, the member (JSON; '': it left), reason

local SHOWN, LEFT = KEYS[4], KEYS[5]
local key, revision = ARGV[1], tonumber(ARGV[2])
local known = redis.call('ZSCORE', SHOWN, key) or redis.call('ZSCORE', LEFT, key)
if known and tonumber(known) >= revision then return 0 end

-- The revision comes last: where something before it fails, the state can be shown again.
if ARGV[3] == '' then
  if redis.call('HDEL', MEMBERS, key) == 1 then tell_leave(key, ARGV[4]) end
  redis.call('ZREM', SHOWN, key)
  redis.call('ZADD', LEFT, ARGV[2], key)
else
  redis.call('HSET', MEMBERS, key, ARGV[3])
  tell('"put":' .. ARGV[3])
  redis.call('ZREM', LEFT, key)
  redis.call('ZADD', SHOWN, ARGV[2], key)
end
-- Revisions are microseconds: what left long ago is forgotten.
redis.call('ZREMRANGEBYSCORE', LEFT, '-inf', digits(micros - IDLE_MS * 1000))
redis.call('PEXPIRE', LEFT, IDLE_MS)
return 1
