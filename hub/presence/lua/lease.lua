-- A node's incarnation renews its lease, takes one, or gives one back; a generation of the data is founded.
-- KEYS[1]  sorted set: incarnations by when their lease ends (ms)
-- KEYS[2]  hash: generation, run, founded (ms), lost (ms), founding; claim:<incarnation>, until when another takes over
-- KEYS[3]  set: the channels that are noted for the incarnation
-- ARGV: what, incarnation, the generation that the node knows, further ones

local LEASES, STATE, NOTED = KEYS[1], KEYS[2], KEYS[3]
local what, incarnation = ARGV[1], ARGV[2]

-- A generation ends with the data, and where Redis was restarted or taken over: writes may be missing then.
local state = redis.call('HMGET', STATE, 'generation', 'run', 'founded', 'lost', 'founding')
local generation, founding = state[2] == run and state[1] or '0', state[5] or ''
local alive = tonumber(redis.call('ZSCORE', LEASES, incarnation) or '0') > now

-- ARGV[4..]: the channels. Returns the generation, or 0 where the lease has ended.
if what == 'note' then
  if not alive or generation == '0' then return 0 end
  redis.call('SADD', NOTED, unpack(ARGV, 4))
  return generation
end

-- ARGV[4..]: the channels.
if what == 'strike' then return generation == ARGV[3] and redis.call('SREM', NOTED, unpack(ARGV, 4)) or 0 end

if what == 'retire' then
  if generation ~= ARGV[3] or redis.call('SCARD', NOTED) > 0 then return 0 end
  redis.call('HDEL', STATE, 'claim:' .. incarnation)
  return redis.call('ZREM', LEASES, incarnation)
end

if what == 'disown' then return generation == ARGV[3] and redis.call('HSET', STATE, 'generation', '0') or 0 end

-- ARGV[4..]: founding, whether data was there before
if what == 'found' then
  if generation ~= '0' or founding ~= ARGV[4] then return 0 end
  redis.call('HSET', STATE, 'generation', ARGV[3], 'run', run, 'founded', digits(now),
    'lost', ARGV[5] == '1' and digits(now) or '-1', 'founding', '')
  return 1
end

-- ARGV[4..]: lease time (ms), take, whether it may take over from others, a new name for a founding
if generation == '0' and (founding == '' or string.sub(founding, 1, 40) ~= run) then
  founding = run .. ARGV[7]
  redis.call('HSET', STATE, 'founding', founding)
end
local held = generation ~= '0' and (ARGV[5] == '1' or (alive and generation == ARGV[3]))
local founded, lost = tonumber(state[3] or '0'), tonumber(state[4] or '-1')
-- Who knows another generation says that something was lost.
if generation ~= '0' and lost < 0 and ARGV[3] ~= '0' and ARGV[3] ~= generation then
  lost = founded
  redis.call('HSET', STATE, 'lost', digits(lost))
end
local dead = {}
if held then
  redis.call('ZADD', LEASES, digits(now + tonumber(ARGV[4])), incarnation)
  local ended = ARGV[6] == '1' and redis.call('ZRANGEBYSCORE', LEASES, '-inf', digits(now), 'LIMIT', 0, 16) or {}
  for _, other in ipairs(ended) do
    -- A claim saves work, no more: who claimed may have died too.
    if tonumber(redis.call('HGET', STATE, 'claim:' .. other) or '0') <= now then
      redis.call('HSET', STATE, 'claim:' .. other, digits(now + tonumber(ARGV[4])))
      dead[#dead + 1] = other
    end
  end
end
return { held and 1 or 0, generation, founding, digits(now - founded), digits(lost < 0 and -1 or now - lost), run, dead }
