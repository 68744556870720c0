-- Every publication after a position, or none if not all of them are available.
-- KEYS  meta, log
-- ARGV  epoch for a new stream, lifetime ms, history ms, the position's epoch, its offset, most bytes
-- Returns {epoch, newest offset, 1 if recovered, JSON of each publication…}.
local meta, log = KEYS[1], KEYS[2]
local history_ms, epoch, after, max_bytes = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local BATCH = 64

local stream = open_stream(meta, log, ARGV[1], ARGV[2])
local lost = { stream.epoch, stream.offset, 0 }
if epoch ~= stream.epoch or after > stream.offset or after < 0 then
  return lost
end

local horizon = now_ms() - history_ms
local reply = { stream.epoch, stream.offset, 1 }
local expected, bytes = after + 1, 0
while expected <= stream.offset do
  local entries = redis.call('XRANGE', log, text(expected), '+', 'COUNT', BATCH)
  if #entries == 0 then
    return lost
  end
  for _, entry in ipairs(entries) do
    local json = json_of(entry)
    bytes = bytes + #json
    if offset_of(entry) ~= expected or time_of(entry) < horizon or bytes > max_bytes then
      return lost
    end
    reply[#reply + 1] = json
    expected = expected + 1
  end
end
return reply
