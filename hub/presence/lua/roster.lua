-- The roster, or ('' for `whole`) its position.
-- ARGV[3]: whole
-- Returns: epoch, version, the epoch's age (ms), members

local epoch, version, age = position()
return { epoch, version, digits(age), ARGV[3] == '1' and redis.call('HVALS', ROSTER) or {} }
