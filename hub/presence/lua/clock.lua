-- What every script of presence knows: the time, and the process that keeps the data.

local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')

local function digits(number) return string.format('%.0f', number) end
