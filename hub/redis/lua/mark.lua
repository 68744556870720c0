-- Marks that hubs of this version use this Redis, and serve this database; renews both marks.
-- KEYS[1]  the mark that every version knows
-- KEYS[2]  the mark of this database
-- ARGV: the first mark, the second one, their lifetime (ms)
-- Returns the text at either key if it is another one: first, second; '' for none.

local function mark(key, own)
  local found = redis.call('GET', key)
  if found and found ~= own then return found end
  redis.call('SET', key, own, 'PX', ARGV[3])
  return ''
end

local first = mark(KEYS[1], ARGV[1])
if first ~= '' then return { first, '' } end
return { '', mark(KEYS[2], ARGV[2]) }
