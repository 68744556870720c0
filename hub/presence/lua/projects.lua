-- A present workstation's projects are these from now on.
-- ARGV: key, projects, floor

local key = ARGV[1]
local member = load(key)
if not member or redis.call('HGET', HEAD, 'projects') == ARGV[2] then return reply('nothing', key, member) end
mint(ARGV[3])
set_projects(ARGV[2])
-- No change of the roster, so no new version: the owner's node shall know what it would enter again.
redis.call('SPUBLISH', CHANNEL, '{"epoch":"' .. epoch .. '","version":' .. digits(version())
  .. ',"projects":' .. cjson.encode(ARGV[2]) .. '}')
return reply('ok', key, member)
