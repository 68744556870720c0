-- Raises the counter above `floor` and, where `wanted` says so, mints: 'always', 'present', 'absent' or 'never'. What is
-- there; 'nothing' where nothing was minted.
-- ARGV: key, wanted, floor

local key, wanted = ARGV[1], ARGV[2]
local member = load(key)
local last = tonumber(redis.call('HGET', HEAD, 'revision') or '0')
if tonumber(ARGV[3]) > last then redis.call('HSET', HEAD, 'revision', ARGV[3]) end
if wanted == 'always' or wanted == (member and 'present' or 'absent') then
  mint(ARGV[3])
  return reply('ok', key, member)
end
return reply('nothing', key, member)
