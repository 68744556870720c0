-- Functions shared by the scripts of a stream. A stream has two keys:
--   meta  hash: epoch, run (the run_id of the Redis that wrote it), offset (of the newest publication), at (its time)
--   log   stream: one entry per publication, <offset>-<milliseconds> j <JSON>
-- Another run_id means a restart, a failover or a restored copy: acknowledged data may be missing, so a new epoch begins.

local function text(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The current stream, whose lifetime is renewed to `lifetime` milliseconds. `epoch` is used if the stream is new.
local function open_stream(meta, log, epoch, lifetime)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local known = redis.call('HMGET', meta, 'epoch', 'run', 'offset', 'at')
  local stream = { epoch = known[1], offset = tonumber(known[3]), at = tonumber(known[4]) }
  if known[2] ~= run then
    stream = { epoch = epoch, offset = 0, at = 0 }
    redis.call('DEL', meta, log)
    redis.call('HSET', meta, 'epoch', epoch, 'run', run, 'offset', 0, 'at', 0)
  end
  redis.call('PEXPIRE', meta, lifetime)
  return stream
end

local function offset_of(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function time_of(entry)
  return tonumber(string.match(entry[1], '%d+$'))
end

local function json_of(entry)
  return entry[2][2]
end

-- The oldest offset that is not older than `horizon`; one more than the newest if there is none.
local function oldest_since(log, newest, horizon)
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if not first then
    return newest + 1
  end
  local low = offset_of(first)
  if time_of(first) >= horizon then
    return low
  end
  local high = newest + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = redis.call('XRANGE', log, text(middle), '+', 'COUNT', 1)[1]
    if not entry or time_of(entry) >= horizon then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
