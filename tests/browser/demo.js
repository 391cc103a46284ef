// Starts the real `pantau demo` (PANTAU_BIN) on free ports with a fresh data folder, and stops it again.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS = 60_000;

async function freePort() {
  const server = createServer();
  await new Promise((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Asks until `wanted` says yes to the answer; fails after `timeoutMs`. */
export async function until(what, wanted, timeoutMs = 30_000, pauseMs = 100) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await wanted();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain: ${what} (last: ${last})`);
    await sleep(pauseMs);
  }
}

export class Demo {
  static async start() {
    const binary = process.env.PANTAU_BIN;
    if (!binary) throw new Error('set PANTAU_BIN to the pantau binary (target/release/pantau)');
    const demo = new Demo();
    demo.binary = binary;
    demo.folder = await mkdtemp(join(tmpdir(), 'pantau-browser-'));
    demo.ports = { http: await freePort(), grpc: await freePort(), mqtt: await freePort() };
    demo.url = `http://127.0.0.1:${demo.ports.http}`;
    await demo.run();
    return demo;
  }

  /** Runs the process, the first time or again on the same data and ports, until it is ready. */
  async run() {
    const { http, grpc, mqtt } = this.ports;
    const at = (port) => `127.0.0.1:${port}`;
    this.process = spawn(
      this.binary,
      ['demo', '--data-dir', this.folder, '--http', at(http), '--grpc', at(grpc), '--mqtt', at(mqtt)],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.output = '';
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (text) => {
        this.output = (this.output + text).slice(-20_000);
      });
    }
    this.ended = new Promise((done) => this.process.once('close', done));
    this.process.once('error', (error) => {
      this.output += String(error);
    });
    await until('the demo is ready', async () => {
      if (this.process.exitCode !== null) throw new Error(`the demo ended with ${this.process.exitCode}`);
      return (await fetch(`${this.url}/readyz`)).ok;
    }, READY_MS).catch((error) => {
      throw new Error(`${error.message}\n${this.output}`);
    });
  }

  async get(path) {
    const answer = await fetch(`${this.url}/api/v1${path}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async kill(signal) {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
    await this.ended;
  }

  async remove() {
    await this.kill('SIGTERM');
    await rm(this.folder, { recursive: true, force: true });
  }
}
