-- A connection joins.
-- ARGV: key, memberKey (JSON), meta (JSON), connection, incarnation, owned ('1' or ''), projects, client (JSON), floor

local key, connection, owned = ARGV[1], ARGV[4], ARGV[6] == '1'
local member = load(key) or { connections = {}, joinedAt = digits(now) }
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
