-- Shows a workstation on a project's roster, or that it left, where that is newer than what the roster knows.
-- ARGV[3..]: key, generation and revision of the state, shown, change

local key, generation, revision, shown = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local known_generation = tonumber(redis.call('HGET', HEAD, 'generation:' .. key) or '0')
local known_revision = tonumber(redis.call('ZSCORE', KNOWN, key) or '-1')
if not current or generation < known_generation then return 0 end
if generation == known_generation and revision <= known_revision then return 0 end
if shown ~= '-' or redis.call('HEXISTS', ROSTER, key) == 1 then tell(key, shown, ARGV[7]) end
-- Last: where something before it fails, the state can be shown again.
redis.call('HSET', HEAD, 'generation:' .. key, ARGV[4])
redis.call('ZADD', KNOWN, ARGV[5], key)
-- Revisions are microseconds: who left long ago is forgotten.
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KNOWN, '-inf', digits(micros - IDLE_MS * 1000), 'LIMIT', 0, 100)) do
  if redis.call('HEXISTS', ROSTER, old) == 0 then
    redis.call('ZREM', KNOWN, old)
    redis.call('HDEL', HEAD, 'generation:' .. old)
  end
end
redis.call('PEXPIRE', KNOWN, IDLE_MS)
return 1
