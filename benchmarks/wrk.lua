-- What wrk has found, as one line of JSON; times in milliseconds.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"rate":%.1f,"p50":%.3f,"p99":%.3f,"p999":%.3f,"longest":%.3f,"failed":%d}\n',
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3, latency.max / 1e3,
    errors.connect + errors.status + errors.timeout))
end
