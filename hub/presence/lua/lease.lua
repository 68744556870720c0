-- A node's incarnation renews its lease, or takes one.
-- KEYS[1]  sorted set: incarnations by when their lease runs out (ms)
-- KEYS[2]  hash: generation, run, founded (ms), lost (ms); claim:<incarnation>, until when another sweeps it
-- ARGV: incarnation, lease time (ms), take ('1' or ''), the generation it knows ('': none), one for a new generation,
--       whether it may sweep
-- Returns: held (1 or 0), generation, its age (ms), how long ago a loss of data began (ms, or -1), what is to be swept

local LEASES, STATE = KEYS[1], KEYS[2]
local incarnation, lease = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function digits(number) return string.format('%.0f', number) end

-- A generation ends with the data, and where Redis was restarted or taken over: writes may be missing then.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local state = redis.call('HMGET', STATE, 'generation', 'run', 'founded', 'lost')
local generation, founded, lost = state[1], tonumber(state[3] or '0'), tonumber(state[4] or '-1')
if not generation or state[2] ~= run then
  lost = generation and now or -1
  generation, founded = ARGV[5], now
  redis.call('HSET', STATE, 'generation', generation, 'run', run, 'founded', digits(now), 'lost', digits(lost))
end
-- Who knows of a generation before says that something was lost.
if lost < 0 and ARGV[4] ~= '' and ARGV[4] ~= generation then
  lost = founded
  redis.call('HSET', STATE, 'lost', digits(lost))
end

local till = tonumber(redis.call('ZSCORE', LEASES, incarnation) or '0')
local held = ARGV[3] == '1' or (till > now and (ARGV[4] == '' or ARGV[4] == generation))
local dead = {}
if held then
  redis.call('ZADD', LEASES, digits(now + lease), incarnation)
  if ARGV[6] == '1' then
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', digits(now), 'LIMIT', 0, 16)) do
      local claim = 'claim:' .. other
      -- A claim saves work, no more: who claimed may have died too.
      if tonumber(redis.call('HGET', STATE, claim) or '0') <= now then
        redis.call('HSET', STATE, claim, digits(now + lease))
        dead[#dead + 1] = other
      end
    end
  end
end
return { held and 1 or 0, generation, digits(now - founded), digits(lost < 0 and -1 or now - lost), dead }
