-- Calls every command that the hub needs on a key that holds a text, so that hardly any of them writes.
-- KEYS[1]  the key
-- KEYS[2]  a sharded channel without subscribers
-- ARGV: the calls, as JSON: [[name, argument, …], …]
-- Returns, for each call: '' or its error.

local outcomes = {}
for index, call in ipairs(cjson.decode(ARGV[1])) do
  local outcome = redis.pcall(unpack(call))
  outcomes[index] = type(outcome) == 'table' and outcome.err or ''
end
return outcomes
