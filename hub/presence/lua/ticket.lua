-- A ticket after all that were given out before, with the member's record.
-- ARGV[3]: the member's key
-- Returns: whether the data is the node's, time (ms), revision, record, ticket

local last = tonumber(redis.call('HGET', HEAD, 'ticket') or '0')
local ticket = digits(math.max(last + 1, micros))
redis.call('HSET', HEAD, 'ticket', ticket)
if redis.call('HLEN', ROSTER) == 0 then redis.call('PEXPIRE', HEAD, IDLE_MS) end
local revision, record = read(ARGV[3])
return { current and 1 or 0, digits(now), revision, record, ticket }
