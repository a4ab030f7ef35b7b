-- Record the state of a callback, and when it is due next.
--
-- `known_attempts` is the number of attempts that this one knows of, and `delay_ms` is '' if the callback is settled.
-- The job may be gone by now: `copy` is what the callback is about. Jobs that a previous release ended have no copy.
-- Returns 1, or 0 if another attempt has settled the callback or has begun after this one, or job and copy are gone.
--
-- Reads come first. ZREM is the first write, because a Redis that is out of memory accepts it, and then accepts the
-- writes after it.
local callbacks, job, copy = unpack(KEYS)
local id, state, attempts, known_attempts, delay_ms, callbacks_ttl_s = unpack(ARGV)

local begun = redis.call('HGET', job, 'callback_attempts') or redis.call('HGET', copy, 'callback_attempts')
if begun and tonumber(begun) > tonumber(known_attempts) then
  return 0
end
if redis.call('ZREM', callbacks, id) == 0 or redis.call('EXISTS', job, copy) == 0 then
  return 0
end
for _, key in ipairs({job, copy}) do
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'callback_state', state, 'callback_attempts', attempts)
  end
end
if delay_ms ~= '' then
  local time = redis.call('TIME')
  local due_ms = time[1] * 1000 + math.floor(time[2] / 1000) + delay_ms
  redis.call('ZADD', callbacks, string.format('%.0f', due_ms), id)
  redis.call('EXPIRE', callbacks, callbacks_ttl_s)
else
  redis.call('DEL', copy)
end
return 1
