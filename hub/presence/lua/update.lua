-- A connection replaces its meta.
-- ARGV: key, connection, incarnation, meta (JSON), owned, floor

local key, connection = ARGV[1], ARGV[2]
local member = load(key)
local index = member and index_of(member, connection)
if not index then
  local other = member and member.last ~= connection
  return reply((ARGV[5] == '1' and other) and 'replaced' or 'not_joined', key, member)
end
local part = table.remove(member.connections, index)
part.meta, part.owner, part.order = ARGV[4], ARGV[3], mint(ARGV[6])
member.connections[#member.connections + 1] = part
put(key, member)
return reply('ok', key, member)
