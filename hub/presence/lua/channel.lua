-- One channel: its members' records, and the roster that follows them. JSON is only put together here, never decoded.
-- KEYS[1]  hash: epoch, run, since (ms), version; revision, the newest that was minted
-- KEYS[2]  hash: member's key to '<revision> <record>'
-- KEYS[3]  hash: member's key to the member as rosters show it
-- KEYS[4]  the sharded channel on which every change is published
-- KEYS[5]  sorted set: workstations by the revision in which a project's roster knows them
-- KEYS[6]  not in a cluster: the state of the data (lease.lua)
-- KEYS[7]  not in a cluster: incarnations by when their lease ends (lease.lua)
-- ARGV[1], ARGV[2]: the Redis process and the generation of its data, as the node knows them

local HEAD, RECORDS, ROSTER, CHANGES, KNOWN, STATE, LEASES = unpack(KEYS)
-- Epochs, versions and revisions outlive an empty roster by this much.
local IDLE_MS = 24 * 60 * 60 * 1000
local current = run == ARGV[1] and (not STATE or redis.call('HGET', STATE, 'generation') == ARGV[2])

-- The epoch ends with the data, and where Redis was restarted or taken over: what it holds then may be of the past.
local function position()
  local head = redis.call('HMGET', HEAD, 'epoch', 'run', 'version', 'since')
  if head[1] and head[2] == run then return head[1], head[3] or '0', now - tonumber(head[4]) end
  local epoch = string.sub(run, 1, 8) .. '.' .. digits(micros)
  redis.call('HSET', HEAD, 'epoch', epoch, 'run', run, 'since', digits(now))
  redis.call('PEXPIRE', HEAD, IDLE_MS)
  return epoch, head[3] or '0', 0
end

local function read(key)
  local stored = redis.call('HGET', RECORDS, key)
  local revision, record = string.match(stored or '', '^(%d+) (.*)$')
  return revision or redis.call('HGET', HEAD, 'revision:' .. key) or '0', record or ''
end

-- `shown`: the member (JSON), '-' where it leaves, '' where rosters stay as they are. `change`: fields of the message.
local function tell(key, shown, change)
  local epoch, version = position()
  if shown == '-' then redis.call('HDEL', ROSTER, key) elseif shown ~= '' then redis.call('HSET', ROSTER, key, shown) end
  if shown ~= '' then version = digits(redis.call('HINCRBY', HEAD, 'version', 1)) end
  if change ~= '' then
    redis.call('SPUBLISH', CHANGES, '{"epoch":"' .. epoch .. '","version":' .. version .. change .. '}')
  end
  -- Of a workstation that left the record stays for a while.
  local isEmpty = redis.call('HLEN', ROSTER) == 0
  for _, name in ipairs({ HEAD, RECORDS }) do
    if isEmpty then redis.call('PEXPIRE', name, IDLE_MS) else redis.call('PERSIST', name) end
  end
  return epoch, version
end
