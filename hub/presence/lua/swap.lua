-- Writes a member's record where it is still the one that was read.
-- ARGV[3..]: key, expected revision, record (JSON; '': none), shown, change, floor of the revision, whether the revision is
--            kept without a record, incarnation ('': none)
-- Returns: outcome, whether the data is the node's, time (ms), revision, record, epoch, version

local key, incarnation = ARGV[3], ARGV[10]
local revision, record = read(key)
local outcome = 'ok'
if not current then outcome = 'lost'
elseif LEASES and incarnation ~= '' and tonumber(redis.call('ZSCORE', LEASES, incarnation) or '0') <= now then
  outcome = 'cut_off'
elseif revision ~= ARGV[4] then outcome = 'conflict' end
if outcome ~= 'ok' then
  local epoch, version = position()
  return { outcome, current and 1 or 0, digits(now), revision, record, epoch, version }
end

-- Revisions grow with the clock, and where it was set back all the same.
local minted = digits(math.max(tonumber(revision) + 1, tonumber(ARGV[8]) + 1, micros))
if ARGV[5] == '' then
  redis.call('HDEL', RECORDS, key)
  if ARGV[9] == '1' then redis.call('HSET', HEAD, 'revision:' .. key, minted) end
else
  redis.call('HSET', RECORDS, key, minted .. ' ' .. ARGV[5])
  redis.call('HDEL', HEAD, 'revision:' .. key)
end
local epoch, version = tell(key, ARGV[6], ARGV[7])
return { 'ok', 1, digits(now), minted, ARGV[5], epoch, version }
