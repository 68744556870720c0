-- What the scripts on members and their connections share. Runs behind roster.lua.
--
-- KEYS[4]  hash: member's key to its parts: { memberKey, meta, joinedAt, updatedAt, connections: [{ id, owner, meta,
--          number, order }], and while none is left: last, lastNumber, keeper, till, reason }
--
-- `owner` and `keeper` are incarnations of nodes; numbers and JSON are strings, so that nothing of them is lost.
-- On a workstation's own channel (`owned`) the newest join is the only connection.

local PARTS = KEYS[4]

local function load(key)
  local packed = redis.call('HGET', PARTS, key)
  return packed and cjson.decode(packed) or nil
end

-- Greater than whatever was minted before, here or (`floor`) by a Redis that was lost.
local function mint(floor)
  local last = tonumber(redis.call('HGET', HEAD, 'revision') or '0')
  local revision = digits(math.max(math.max(last, tonumber(floor)) + 1, micros))
  redis.call('HSET', HEAD, 'revision', revision)
  return revision
end

local function index_of(member, connection)
  for index, part in ipairs(member.connections) do
    if part.id == connection then return index end
  end
  return nil
end

local function shown(key, member)
  local count = #member.connections
  return '{"key":' .. cjson.encode(key) .. ',"memberKey":' .. member.memberKey .. ',"meta":' .. member.meta
    .. ',"connections":' .. count .. ',"state":"' .. (count > 0 and 'live' or 'suspect')
    .. '","joinedAt":' .. member.joinedAt .. ',"updatedAt":' .. member.updatedAt .. '}'
end

-- What the node learns of a change, or of what is there: see `membership-scripts.ts`.
local function reply(status, key, member)
  local record = redis.call('HMGET', HEAD,
    'revision', 'projects', 'stale', 'client', 'gone', 'goneReason', 'goneConnection', 'goneNumber')
  local newest = member and member.connections[#member.connections]
  local state = newest and 'live' or (member and 'suspect' or 'absent')
  local till = (state == 'suspect') and math.max(0, tonumber(member.till) - now) or 0
  return {
    status, epoch, digits(version()), key, state, record[1] or '0',
    newest and newest.id or (member and member.last or record[7] or ''),
    newest and newest.number or (member and member.lastNumber or record[8] or '0'),
    member and shown(key, member) or (record[5] or ''), member and (member.reason or '') or (record[6] or ''),
    record[2] or '', record[3] or '', record[4] or '', till,
  }
end

-- The member after a change, told to everybody.
local function put(key, member)
  local newest = member.connections[#member.connections]
  if newest then
    member.meta = newest.meta
    member.last, member.lastNumber, member.keeper, member.till, member.reason = nil, nil, nil, nil, nil
  end
  member.updatedAt = digits(now)
  local json = shown(key, member)
  redis.call('HSET', MEMBERS, key, json)
  redis.call('HSET', PARTS, key, cjson.encode(member))
  redis.call('HDEL', HEAD, 'gone', 'goneReason', 'goneConnection', 'goneNumber')
  local held = newest and (',"connection":' .. cjson.encode(newest.id) .. ',"number":' .. newest.number) or ''
  tell('"put":' .. json .. held)
end

-- The member leaves. What a workstation was stays for a while, so that an older connection can't bring it back, and so that its
-- leaving can be told to its projects by whoever comes.
local function remove(key, member, reason, last)
  redis.call('HDEL', MEMBERS, key)
  redis.call('HDEL', PARTS, key)
  if redis.call('HEXISTS', HEAD, 'client') == 1 then
    redis.call('HSET', HEAD, 'gone', shown(key, member), 'goneReason', reason,
      'goneConnection', last.id, 'goneNumber', last.number)
  end
  tell_leave(key, reason)
end

-- Takes the connection at `index` out. Without another one the member is suspect, for `grace`.
local function take_out(key, member, index, grace, keeper, reason)
  local last = table.remove(member.connections, index)
  if #member.connections > 0 then
    put(key, member)
    return member
  end
  if grace == 0 then
    remove(key, member, reason, last)
    return nil
  end
  member.last, member.lastNumber, member.keeper = last.id, last.number, keeper
  member.till, member.reason = digits(now + grace), reason
  put(key, member)
  return member
end

-- The workstation's projects. Those it is no longer on are `stale` until their rosters have been told.
local function set_projects(wanted)
  local before = redis.call('HMGET', HEAD, 'projects', 'stale')
  local keep, stale = {}, {}
  for id in string.gmatch(wanted, '%S+') do keep[id] = true end
  for id in string.gmatch((before[1] or '') .. ' ' .. (before[2] or ''), '%S+') do
    if not keep[id] then
      keep[id] = true
      stale[#stale + 1] = id
    end
  end
  redis.call('HSET', HEAD, 'projects', wanted, 'stale', table.concat(stale, ' '))
end
