-- What every script that changes or reads a roster shares.
--
-- KEYS[1]  hash: epoch, run, version; revision, the newest number minted; further fields of a workstation's record
-- KEYS[2]  hash: member's key to the member as JSON, as rosters show it
-- KEYS[3]  the sharded channel on which every change is told
-- JSON from clients is never decoded here, only put together: Lua would lose digits and empty lists.

local HEAD, MEMBERS, CHANNEL = KEYS[1], KEYS[2], KEYS[3]
-- Epochs, versions and tombstones outlive an empty roster by this much.
local IDLE_MS = 24 * 60 * 60 * 1000

local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end

-- The epoch ends with the data, and where Redis was restarted or taken over: what it holds then may be of the past.
local function open()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local known = redis.call('HMGET', HEAD, 'epoch', 'run', 'since')
  if known[1] and known[2] == run then return known[1], now - tonumber(known[3]) end
  local epoch = string.sub(run, 1, 8) .. '.' .. digits(micros)
  redis.call('HSET', HEAD, 'epoch', epoch, 'run', run, 'since', digits(now))
  redis.call('PEXPIRE', HEAD, IDLE_MS)
  return epoch, 0
end

local epoch, age = open()

local function version()
  return tonumber(redis.call('HGET', HEAD, 'version') or '0')
end

-- Counts a change and tells it. `change` is the rest of the message: fields of a JSON object.
local function tell(change)
  local number = redis.call('HINCRBY', HEAD, 'version', 1)
  redis.call('SPUBLISH', CHANNEL, '{"epoch":"' .. epoch .. '","version":' .. digits(number) .. ',' .. change .. '}')
  if redis.call('HLEN', MEMBERS) == 0 then redis.call('PEXPIRE', HEAD, IDLE_MS) else redis.call('PERSIST', HEAD) end
end

local function tell_leave(key, reason)
  tell('"leave":{"key":' .. cjson.encode(key) .. ',"reason":"' .. reason .. '"}')
end
