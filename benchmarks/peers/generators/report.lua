-- For wrk: POST the file $BODY with the headers $HEADERS ("Name: value;Name: value"); print one line of JSON at the end.
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
wrk.method = "POST"
for name, value in string.gmatch(os.getenv("HEADERS") or "", "([^:;]+):%s*([^;]+)") do
  wrk.headers[name] = value
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"requests_per_s":%.2f,"p50_us":%d,"p99_us":%d,"max_us":%d,"failed":%d}\n',
    summary.requests, summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
