-- Forgets an incarnation that holds nothing any more.
-- KEYS[1]  sorted set: incarnations by when their lease runs out (ms)
-- KEYS[2]  hash: claim:<incarnation>, until when another sweeps it
-- KEYS[3]  set: the channels of this incarnation
-- ARGV: incarnation

if redis.call('SCARD', KEYS[3]) > 0 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], 'claim:' .. ARGV[1])
return 1
