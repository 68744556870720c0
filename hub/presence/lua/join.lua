-- A connection joins. A workstation's connection took its `turn` before, and joins no more once another one that came after
-- that has: a join that lay in a network, or in a Redis that stood still, must not replace whoever came since.
-- ARGV: key, memberKey (JSON), meta (JSON), connection, incarnation, owned ('1' or ''), projects, client (JSON), floor, turn

local key, connection, owned = ARGV[1], ARGV[4], ARGV[6] == '1'
local there = load(key)
local holder = owned and there and (there.connections[1] or { id = there.last, number = there.lastNumber })
if holder and holder.id ~= connection and tonumber(holder.number) > tonumber(ARGV[10]) then
  return reply('replaced', key, there)
end

local member = there or { connections = {}, joinedAt = digits(now) }
local revision = mint(ARGV[9])
if owned then
  member.connections = {}
  set_projects(ARGV[7])
  redis.call('HSET', HEAD, 'client', ARGV[8])
else
  local before = index_of(member, connection)
  if before then table.remove(member.connections, before) end
end
member.memberKey = ARGV[2]
member.connections[#member.connections + 1] =
  { id = connection, owner = ARGV[5], meta = ARGV[3], number = revision, order = revision }
put(key, member)
return reply('ok', key, member)
