-- Complete a job's upload, cancel a job, or expire one; a job with nothing left to come is final.
--
-- KEYS  job, deadlines, claim of an Idempotency-Key or '', callbacks
-- ARGV  'complete', 'cancel' or 'expire', total images or '', now (unix ms), jobs channel, id, fingerprint or ''
-- Returns 2 when this made the job final, 1 when it was, 0 when images are still to come, -1 when there is no such job.
local job, deadlines, how, now_ms, id = KEYS[1], KEYS[2], ARGV[1], ARGV[3], ARGV[5]

-- Written first, because a Redis without memory lets it through, and with it all that follows.
redis.call('ZREM', deadlines, id)
if redis.call('EXISTS', job) == 0 then
  return -1
end
local fields = redis.call('HMGET', job, 'done', 'failed', 'expired', 'total', 'finished_ms', 'deadline_ms')
if fields[5] then
  return 1
end
local finished = tonumber(fields[1]) + tonumber(fields[2]) + tonumber(fields[3])
local total = tonumber(ARGV[2] ~= '' and ARGV[2] or fields[4] or finished)
redis.call('HSET', job, 'total', total)
if how == 'complete' and KEYS[3] ~= '' then
  redis.call('HSET', KEYS[3], 'fingerprint', ARGV[6])
  redis.call('EXPIRE', KEYS[3], redis.call('TTL', job))
end
if how == 'cancel' then
  redis.call('HSET', job, 'cancelled', total - finished)
elseif how == 'expire' then
  redis.call('HINCRBY', job, 'expired', total - finished)
elseif finished < total then
  if fields[6] then
    redis.call('ZADD', deadlines, fields[6], id)
  end
  return 0
end
redis.call('HSET', job, 'finished_ms', now_ms)
redis.call('PUBLISH', ARGV[4], id)
if redis.call('HEXISTS', job, 'callback_url') == 1 then
  redis.call('ZADD', KEYS[4], now_ms, id)
  redis.call('EXPIRE', KEYS[4], redis.call('TTL', job))
end
return 2
