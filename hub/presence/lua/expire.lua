-- A suspect member's time is up, by the clock that gave it.
-- ARGV: key

local key = ARGV[1]
local member = load(key)
if not member or #member.connections > 0 then return reply('nothing', key, member) end
if tonumber(member.till) > now then return reply('early', key, member) end
mint('0')
remove(key, member, member.reason, { id = member.last, number = member.lastNumber })
return reply('ok', key, nil)
