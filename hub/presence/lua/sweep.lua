-- A node's lease ran out: what it held on this channel becomes suspect, and another node keeps the time of it, and of
-- what was suspect already. A list of replies: 'ok' for what changed, 'kept' for what is only kept by another node now.
-- ARGV: the dead incarnation, the incarnation that takes over, grace (ms)

local dead, keeper, grace = ARGV[1], ARGV[2], tonumber(ARGV[3])
local replies = {}
local all = redis.call('HGETALL', PARTS)
for at = 1, #all, 2 do
  local key, member = all[at], cjson.decode(all[at + 1])
  local changed = false
  for index = #member.connections, 1, -1 do
    if member and member.connections[index].owner == dead then
      if not changed then mint('0') end
      changed = true
      member = take_out(key, member, index, grace, keeper, 'node_lost')
    end
    if not member then break end
  end
  if not changed and #member.connections == 0 and member.keeper == dead then
    member.keeper = keeper
    redis.call('HSET', PARTS, key, cjson.encode(member))
    replies[#replies + 1] = reply('kept', key, member)
  elseif changed then
    replies[#replies + 1] = reply('ok', key, member)
  end
end
-- Its leaving may not have been told to its projects.
if #replies == 0 and redis.call('HEXISTS', HEAD, 'gone') == 1 then replies[1] = reply('kept', '', nil) end
return replies
