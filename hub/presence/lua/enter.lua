-- Notes that an incarnation is about to hold something on channels: whoever sweeps it looks there. Refused (0) to one
-- whose lease ran out.
-- KEYS[1]  sorted set: incarnations by when their lease runs out (ms)
-- KEYS[2]  set: the channels of this incarnation
-- ARGV: incarnation, the channels

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0') <= now then return 0 end
redis.call('SADD', KEYS[2], unpack(ARGV, 2))
return 1
