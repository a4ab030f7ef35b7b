local stream, queued, result = unpack(KEYS)
local group, entry_id, images, uid, channel, block = unpack(ARGV)
if redis.call('XACK', stream, group, entry_id) == 0 then
  return 'late'
end
redis.call('XDEL', stream, entry_id)
redis.call('HINCRBY', queued, 'images', -images)
redis.call('SET', result, block, 'EX', 300)
redis.call('PUBLISH', channel, uid .. block)
return 'written'
