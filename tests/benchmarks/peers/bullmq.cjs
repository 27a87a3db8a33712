// BullMQ: `node bullmq.cjs push` obeys the harness (see protocol.py), `node bullmq.cjs work` runs the jobs.
"use strict";
const fs = require("node:fs");
const readline = require("node:readline");
const { setTimeout: sleep } = require("node:timers/promises");
const { Queue, Worker } = require("bullmq");

const JOBS_LIMIT = 1 << 20;
const BULK_JOBS = 1000;
const CONCURRENCY = 50;
const OPTIONS = { removeOnComplete: true };
const url = new URL(process.env.BENCH_REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };

// Node has no shared memory over files: one byte is written to the file of marks instead, which is a call of
// the system, about a microsecond a job.
const marks = fs.openSync(process.env.BENCH_MARKS, "r+");
const counts = new Uint8Array(JOBS_LIMIT);
fs.readSync(marks, counts, 0, JOBS_LIMIT, 0);

function mark(n) {
  counts[n] += 1;
  fs.writeSync(marks, counts, n, 1, n);
}

async function run(job) {
  const [n, argument] = job.data;
  if (job.name === "pause") await sleep(argument);
  if (job.name === "stamp") {
    const waited = Buffer.alloc(8);
    waited.writeBigInt64LE(process.hrtime.bigint() - BigInt(argument));
    fs.writeSync(marks, waited, 0, 8, JOBS_LIMIT + 8 * n);
  }
  mark(n);
}

async function push(queue, { way, job, count, rate, argument }) {
  const rowOf = (n) => (argument == null ? [n] : [n, argument]);
  if (way === "paced") {
    const start = process.hrtime.bigint();
    for (let n = 0; n < count; n++) {
      const wait = Number(start - process.hrtime.bigint()) / 1e6 + (n * 1000) / rate;
      if (wait > 0) await sleep(wait);
      await queue.add(job, [n, Number(process.hrtime.bigint())], OPTIONS);
    }
  } else if (way === "single") {
    for (let n = 0; n < count; n++) await queue.add(job, rowOf(n), OPTIONS);
  } else {
    for (let first = 0; first < count; first += BULK_JOBS) {
      const portion = [];
      for (let n = first; n < Math.min(count, first + BULK_JOBS); n++) {
        portion.push({ name: job, data: rowOf(n), opts: OPTIONS });
      }
      await queue.addBulk(portion);
    }
  }
}

async function obey() {
  const queue = new Queue("bench", { connection });
  await queue.waitUntilReady();
  const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
  say({ ready: true });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const began = process.hrtime.bigint();
    const cpu = process.cpuUsage();
    await push(queue, JSON.parse(line));
    const used = process.cpuUsage(cpu);
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    say({ seconds, cpu_seconds: (used.user + used.system) / 1e6 });
  }
  process.exit(0);
}

if (process.argv[2] === "work") new Worker("bench", run, { connection, concurrency: CONCURRENCY });
else obey();
