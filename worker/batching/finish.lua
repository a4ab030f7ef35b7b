-- Finish an entry: the first worker writes its results, a later worker writes nothing.
--
-- Returns 'late' to a later worker, 'cancelled', 'expired' or 'failed' if the job of the entry is over, and else
-- 'written'. If the entry was the last one of a job, returns the job's done, failed, expired and unsure images and its
-- begin (unix ms). The unsure images are among the done ones.
--
-- `target` is the job, or the result of an entry of singles. `client`, `blocks`, `manifests`, `suspect`, `layers`,
-- `shard`, `channel` and `chunk` may be ''. The parts of a job live for `open_ttl_s`, and for `ttl_s` once it is final.
-- So does the claim of its Idempotency-Key, which only the job names. Keys that several jobs share live for
-- `open_ttl_s`. Header and pixels of each dead letter follow the arguments.
--
-- XACK returns 1 exactly once for a delivered entry, whichever worker holds it by then, so it is the fence. It is also
-- a write that a Redis that is out of memory accepts, so that the writes after it are accepted too.
local stream, queued, client, target, blocks, manifests, open_jobs, suspect, dead_letters, callbacks, layers,
  kept_layers = unpack(KEYS)
local group, entry_id, images, bytes, shard, block, ttl_s, open_ttl_s, channel, uid, chunk, done_images, failed_images,
  expired_images, jobs_channel, max_dead_letters, dead_letter_ttl_s, layers_blob, layers_ttl_s,
  max_kept_layers, unsure_images = unpack(ARGV, 1, 21)

-- A counter that is gone, for example after FLUSHALL, stays gone. A newer one that lacks this entry stays at 0.
local function subtract(key, fields, counts)
  local changed = {}
  for index, now in ipairs(redis.call('HMGET', key, unpack(fields))) do
    if now then
      changed[#changed + 1] = fields[index]
      changed[#changed + 1] = math.max(0, now - counts[index])
    end
  end
  if #changed > 0 then
    redis.call('HSET', key, unpack(changed))
  end
end

if redis.call('XACK', stream, group, entry_id) == 0 then
  return 'late'
end
redis.call('XDEL', stream, entry_id)
subtract(queued, {'images', 'bytes', shard ~= '' and shard or nil}, {images, bytes, images})
if client ~= '' then
  subtract(client, {'images'}, {images})
  redis.call('EXPIRE', client, open_ttl_s)
end
if suspect ~= '' then
  redis.call('DEL', suspect)
end
for letter = 22, #ARGV, 2 do
  redis.call('XADD', dead_letters, 'MAXLEN', '~', max_dead_letters, '*', 'h', ARGV[letter], 'x', ARGV[letter + 1])
  redis.call('EXPIRE', dead_letters, dead_letter_ttl_s)
end

if layers ~= '' then -- before the waiting request is woken
  redis.call('SET', layers, layers_blob, 'EX', layers_ttl_s)
  if redis.call('RPUSH', kept_layers, layers) > tonumber(max_kept_layers) then
    redis.call('DEL', redis.call('LPOP', kept_layers))
  end
  redis.call('EXPIRE', kept_layers, layers_ttl_s)
end

if chunk == '' then
  redis.call('SET', target, block, 'EX', ttl_s)
  if channel ~= '' then
    redis.call('PUBLISH', channel, uid .. block)
  end
  return 'written'
end

-- A cancelled job counted its unfinished images as cancelled. A job that is gone has no reader.
local state = redis.call('HMGET', target, 'model', 'finished_ms', 'cancelled', 'reason')
if not state[1] or state[2] then
  return state[4] and 'failed' or state[2] and not state[3] and 'expired' or 'cancelled'
end
if redis.call('HSETNX', blocks, chunk, block) == 0 then
  return 'late'
end
local finished = redis.call('HINCRBY', target, 'done', done_images)
  + redis.call('HINCRBY', target, 'failed', failed_images)
  + redis.call('HINCRBY', target, 'expired', expired_images)
if unsure_images ~= '0' then
  redis.call('HINCRBY', target, 'unsure', unsure_images)
end
local total = redis.call('HGET', target, 'total')
local final = total and finished == tonumber(total)
local claim = redis.call('HGET', target, 'claim')
local parts = {target, blocks, manifests}
if claim and redis.call('HGET', claim, 'job') == uid and total then
  parts[4] = claim
end
for _, key in ipairs(parts) do
  redis.call('EXPIRE', key, final and ttl_s or open_ttl_s)
end
if final then
  local time = redis.call('TIME')
  local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', target, 'finished_ms', now_ms)
  redis.call('ZREM', open_jobs, uid)
  redis.call('PUBLISH', jobs_channel, uid)
  if redis.call('HEXISTS', target, 'callback_url') == 1 then
    redis.call('HSET', target .. ':callback', unpack(redis.call('HGETALL', target)))
    redis.call('EXPIRE', target .. ':callback', open_ttl_s)
    redis.call('ZADD', callbacks, now_ms, uid)
    redis.call('EXPIRE', callbacks, open_ttl_s)
  end
  return redis.call('HMGET', target, 'done', 'failed', 'expired', 'unsure', 'created_ms')
end
return 'written'
