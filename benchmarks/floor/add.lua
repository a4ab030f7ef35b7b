local stream, queued = unpack(KEYS)
local header, pixels, images, max_images = unpack(ARGV)
if tonumber(redis.call('HGET', queued, 'images') or 0) + images > tonumber(max_images) then
  return 0
end
redis.call('XADD', stream, '*', 'h', header, 'x', pixels)
redis.call('HINCRBY', queued, 'images', images)
return 1
