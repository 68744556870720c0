-- One member's record, or those of all members of the channel.
-- ARGV[3]: the member's key; '': all
-- Returns: whether the data is the node's, time (ms), then revision and record; of all members their keys too

local reply = { current and 1 or 0, digits(now) }
if ARGV[3] ~= '' then
  reply[3], reply[4] = read(ARGV[3])
  return reply
end
local stored = redis.call('HGETALL', RECORDS)
for at = 1, #stored, 2 do
  local revision, record = string.match(stored[at + 1], '^(%d+) (.*)$')
  for _, value in ipairs({ stored[at], revision, record }) do reply[#reply + 1] = value end
end
return reply
