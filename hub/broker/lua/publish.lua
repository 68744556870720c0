-- Publishes in one step: offset, history, idempotency key, and the message to every subscribed node.
-- KEYS  meta, log, the key of the publisher's id, the sharded channel
-- ARGV  epoch for a new stream, lifetime ms, history size, history ms, how long the id is remembered (ms, 0: not),
--       fingerprint of the content, '1' if ephemeral, the publication's JSON after its offset
-- Returns {'stored' | 'duplicate' | 'conflict', epoch, offset}.
local meta, log, id_key, channel = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local size, history_ms, remember_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local fingerprint, ephemeral, tail = ARGV[6], ARGV[7] == '1', ARGV[8]
local TRIM_EVERY = 16

local stream = open_stream(meta, log, ARGV[1], ARGV[2])

local function send(kind, offset, json)
  redis.call('SPUBLISH', channel, kind .. ' ' .. stream.epoch .. ' ' .. offset .. ' ' .. json)
end

if ephemeral then
  local offset = text(stream.offset)
  send('e', offset, '{"offset":' .. offset .. tail)
  return { 'stored', stream.epoch, stream.offset }
end

local first = redis.call('GET', id_key)
if first then
  local epoch, offset, content = string.match(first, '^(%S+) (%d+) (%S+)$')
  if epoch == stream.epoch then
    return { content == fingerprint and 'duplicate' or 'conflict', epoch, tonumber(offset) }
  end
end

-- A clock that was set back must not make newer publications look older.
local at = math.max(now_ms(), stream.at)
local number = stream.offset + 1
local offset = text(number)
local json = '{"offset":' .. offset .. tail
redis.call('HSET', meta, 'offset', offset, 'at', text(at))
if size > 0 then
  redis.call('XADD', log, 'MAXLEN', '=', size, offset .. '-' .. text(at), 'j', json)
  redis.call('PEXPIRE', log, history_ms)
  -- Readers skip expired publications: dropping them only frees memory, and is not needed each time.
  if number % TRIM_EVERY == 0 then
    redis.call('XTRIM', log, 'MINID', '=', text(oldest_since(log, number, at - history_ms)))
  end
end
if remember_ms > 0 then
  redis.call('SET', id_key, stream.epoch .. ' ' .. offset .. ' ' .. fingerprint, 'PX', remember_ms)
end
send('p', offset, json)
return { 'stored', stream.epoch, number }
