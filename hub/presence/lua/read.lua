-- The roster, or ('' for `whole`) where it stands: epoch, version, the epoch's age (ms), members.
-- ARGV: whole

return { epoch, digits(version()), digits(age), ARGV[1] == '1' and redis.call('HVALS', MEMBERS) or {} }
