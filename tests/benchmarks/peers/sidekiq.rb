# Sidekiq: loaded by `sidekiq -r` as a worker's jobs, or run with `push` to obey the harness (see protocol.py).
require "json"
require "sidekiq"

JOBS_LIMIT = 1 << 20
BULK_JOBS = 1000
MARKS = IO::Buffer.map(File.open(ENV.fetch("BENCH_MARKS"), "r+"))

Sidekiq.logger.level = Logger::WARN
Sidekiq.configure_server { |config| config.redis = { url: ENV.fetch("BENCH_REDIS_URL") } }
Sidekiq.configure_client { |config| config.redis = { url: ENV.fetch("BENCH_REDIS_URL"), size: 1 } }

def mark(n)
  MARKS.set_value(:U8, n, MARKS.get_value(:U8, n) + 1)
end

def monotonic_ns
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

class Noop
  include Sidekiq::Worker
  def perform(n)
    mark(n)
  end
end

class Pause
  include Sidekiq::Worker
  def perform(n, milliseconds)
    sleep(milliseconds / 1000.0)
    mark(n)
  end
end

class Stamp
  include Sidekiq::Worker
  def perform(n, pushed_ns)
    MARKS.set_value(:s64, JOBS_LIMIT + 8 * n, monotonic_ns - pushed_ns)
    mark(n)
  end
end

JOBS = { "noop" => Noop, "pause" => Pause, "stamp" => Stamp }.freeze

def push(request)
  job, count, argument = JOBS.fetch(request["job"]), request["count"], request["argument"]
  rows = Array.new(count) { |n| argument ? [n, argument] : [n] }
  case request["way"]
  when "paced"
    start = monotonic_ns
    count.times do |n|
      sleep([0, (start + n * 1_000_000_000 / request["rate"] - monotonic_ns) / 1e9].max)
      job.perform_async(n, monotonic_ns)
    end
  when "single"
    rows.each { |row| job.perform_async(*row) }
  else
    rows.each_slice(BULK_JOBS) { |portion| Sidekiq::Client.push_bulk("class" => job, "args" => portion) }
  end
end

if ARGV == ["push"]
  $stdout.sync = true
  puts JSON.generate("ready" => true)
  $stdin.each_line do |line|
    began, cpu = monotonic_ns, Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
    push(JSON.parse(line))
    puts JSON.generate(
      "seconds" => (monotonic_ns - began) / 1e9,
      "cpu_seconds" => Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) - cpu
    )
  end
end
