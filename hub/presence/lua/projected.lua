-- The rosters of all projects have been told of the state with this revision: none is stale.
-- ARGV: revision

if redis.call('HGET', HEAD, 'revision') == ARGV[1] then redis.call('HSET', HEAD, 'stale', '') end
return 1
