-- A connection is gone without a goodbye.
-- ARGV: key, connection, incarnation, grace (ms), floor

local key = ARGV[1]
local member = load(key)
local index = member and index_of(member, ARGV[2])
if not index then return reply('nothing', key, member) end
mint(ARGV[5])
return reply('ok', key, take_out(key, member, index, tonumber(ARGV[4]), ARGV[3], 'timeout'))
