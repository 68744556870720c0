-- A page of the history between two offsets, both exclusive.
-- KEYS  meta, log
-- ARGV  epoch for a new stream, lifetime ms, history ms, the requested epoch or '', after, before, limit,
--       '1' for the newest first, most bytes
-- Returns {epoch, newest offset, 1 if nothing of the range was trimmed, JSON of each publication…}, or {epoch} if the
-- epoch is another one.
local meta, log = KEYS[1], KEYS[2]
local history_ms, asked_epoch = tonumber(ARGV[3]), ARGV[4]
local after, before, limit = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local reverse, max_bytes = ARGV[8] == '1', tonumber(ARGV[9])
local BATCH = 64

local stream = open_stream(meta, log, ARGV[1], ARGV[2])
if asked_epoch ~= '' and asked_epoch ~= stream.epoch then
  return { stream.epoch }
end

local oldest = oldest_since(log, stream.offset, now_ms() - history_ms)
local first, last = math.max(after + 1, oldest), math.min(before - 1, stream.offset)
local asked_first = math.max(after + 1, 1)
local complete = asked_first >= oldest or asked_first > last

local function batch_from(offset)
  if reverse then
    return redis.call('XREVRANGE', log, text(offset), text(first), 'COUNT', BATCH)
  end
  return redis.call('XRANGE', log, text(offset), text(last), 'COUNT', BATCH)
end

local page, bytes, full = {}, 0, false
local next_offset = reverse and last or first
while not full and next_offset >= first and next_offset <= last do
  local entries = batch_from(next_offset)
  full = #entries == 0
  for _, entry in ipairs(entries) do
    local json = json_of(entry)
    bytes = bytes + #json
    if #page == limit or (#page > 0 and bytes > max_bytes) then
      full = true
      break
    end
    page[#page + 1] = json
    next_offset = next_offset + (reverse and -1 or 1)
  end
end

-- In reverse order, a page that ended before the trimmed part misses nothing.
if reverse and #page < last - first + 1 then
  complete = true
end
local reply = { stream.epoch, stream.offset, complete and 1 or 0 }
for _, json in ipairs(page) do
  reply[#reply + 1] = json
end
return reply
