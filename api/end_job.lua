-- Complete a job's upload, or cancel a job; either way a job with nothing left to come is final.
--
-- KEYS  job, callbacks
-- ARGV  'complete' or 'cancel', total images or '', now (unix ms), jobs channel, id
-- Returns 1 when the job is final afterwards, 0 when images are still to come, -1 when there is no such job.
local job, now_ms = KEYS[1], ARGV[3]

if redis.call('EXISTS', job) == 0 then
  return -1
end
local fields = redis.call('HMGET', job, 'done', 'failed', 'expired', 'total', 'finished_ms')
if fields[5] then
  return 1
end
local finished = tonumber(fields[1]) + tonumber(fields[2]) + tonumber(fields[3])
local total = tonumber(ARGV[2] ~= '' and ARGV[2] or fields[4] or finished)
redis.call('HSET', job, 'total', total)
if ARGV[1] == 'cancel' then
  redis.call('HSET', job, 'cancelled', total - finished)
elseif finished < total then
  return 0
end
redis.call('HSET', job, 'finished_ms', now_ms)
redis.call('PUBLISH', ARGV[4], ARGV[5])
if redis.call('HEXISTS', job, 'callback_url') == 1 then
  redis.call('ZADD', KEYS[2], now_ms, ARGV[5])
  redis.call('EXPIRE', KEYS[2], redis.call('TTL', job))
end
return 1
