-- A live connection is entered again, under its node's new incarnation and with its old numbers: after the node was cut
-- off, or the data lost. On a workstation's own channel it loses against whatever is newer.
-- ARGV: key, memberKey (JSON), meta (JSON), connection, incarnation, owned, projects, client (JSON), floor, number,
--       order, joinedAt

local key, connection, owned, number = ARGV[1], ARGV[4], ARGV[6] == '1', tonumber(ARGV[10])
local member = load(key)
local index = member and index_of(member, connection)

if owned and not index then
  local holder = member and (member.connections[1] or { id = member.last, number = member.lastNumber })
  if holder and holder.id ~= connection and tonumber(holder.number) > number then
    return reply('replaced', key, member)
  end
  local gone = redis.call('HMGET', HEAD, 'gone', 'goneConnection', 'goneNumber')
  if not member and gone[1] and tonumber(gone[3]) >= number then
    return reply(gone[2] == connection and 'gone' or 'replaced', key, member)
  end
end

if index then
  -- Nobody saw that it was away.
  member.connections[index].owner = ARGV[5]
  redis.call('HSET', PARTS, key, cjson.encode(member))
  return reply('kept', key, member)
end

mint(ARGV[9])
member = member or { connections = {}, joinedAt = ARGV[12] }
member.memberKey = ARGV[2]
if owned then
  member.connections = {}
  set_projects(ARGV[7])
  redis.call('HSET', HEAD, 'client', ARGV[8])
end
member.connections[#member.connections + 1] =
  { id = connection, owner = ARGV[5], meta = ARGV[3], number = ARGV[10], order = ARGV[11] }
table.sort(member.connections, function(one, other) return tonumber(one.order) < tonumber(other.order) end)
put(key, member)
return reply('ok', key, member)
