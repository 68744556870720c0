-- A present workstation's projects are these from now on.
-- ARGV: key, projects, floor

local key = ARGV[1]
local member = load(key)
if not member or redis.call('HGET', HEAD, 'projects') == ARGV[2] then return reply('nothing', key, member) end
mint(ARGV[3])
set_projects(ARGV[2])
return reply('ok', key, member)
