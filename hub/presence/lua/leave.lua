-- A connection's part ends at once.
-- ARGV: key, connection, reason, owned, floor

local key, connection = ARGV[1], ARGV[2]
local member = load(key)
local index = member and index_of(member, connection)
-- Its node was cut off, and others hold it suspect by now: it was the last all the same.
local last = member and #member.connections == 0 and member.last == connection
if not index and not last then
  return reply((ARGV[4] == '1' and member) and 'replaced' or 'not_joined', key, member)
end
mint(ARGV[5])
local part = index and table.remove(member.connections, index) or { id = member.last, number = member.lastNumber }
if #member.connections > 0 then
  put(key, member)
  return reply('ok', key, member)
end
remove(key, member, ARGV[3], part)
return reply('ok', key, nil)
