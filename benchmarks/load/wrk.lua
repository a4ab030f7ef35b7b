-- wrk -s wrk.lua URL -- FILE...: POST the files in turn; one line of JSON at the end, times in microseconds.
local requests, sent = {}, 0

function init(args)
  for index, path in ipairs(args) do
    local file = assert(io.open(path, "rb"))
    requests[index] = wrk.format("POST", nil, {["Content-Type"] = "image/png"}, file:read("*a"))
    file:close()
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"status":%d,"socket":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
end
