// A `pacer run` process of a test's own, on ports the system chose.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

import { Upstream } from "./upstream.mjs";

// Generous: it only decides how long a failing test takes.
export const DEADLINE_MS = 30_000;

/** Looks until it sees something true. */
export async function eventually(look, what) {
  const giveUp = performance.now() + DEADLINE_MS;
  while (!(await look())) {
    assert.ok(performance.now() < giveUp, `never seen: ${what}`);
    await pause(10);
  }
}

/** A running sidecar, its policy file and what its admin port tells. */
export class Sidecar {
  #log = [];
  #askedToEnd = false;

  static async start(upstream, spec, { name = "clients", metricsPort = 0 } = {}) {
    const sidecar = new Sidecar();
    sidecar.name = name;
    sidecar.directory = await mkdtemp(join(tmpdir(), "pacer-clients-"));
    sidecar.policy = join(sidecar.directory, "policy.yaml");
    await sidecar.setPolicy(spec);
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SIDECAR_"));
    const listen = ["--port", "0", "--metrics-host", "127.0.0.1", "--metrics-port", `${metricsPort}`];
    const policy = ["--policy-file", sidecar.policy, "--drain-seconds", "1"];
    sidecar.process = spawn(process.env.PACER_BIN, ["run", ...listen, "--upstream", upstream, ...policy], {
      env: Object.fromEntries(inherited),
      stdio: ["ignore", "ignore", "pipe"],
    });
    sidecar.exited = once(sidecar.process, "exit");
    try {
      await sidecar.#ready();
    } catch (error) {
      sidecar.process.kill("SIGKILL");
      throw error;
    }
    return sidecar;
  }

  async #ready() {
    const { proxy, metrics } = await this.#addresses();
    this.baseUrl = `http://${proxy}/v1`;
    this.admin = `http://${metrics}`;
    await eventually(async () => (await fetch(`${this.admin}/readyz`)).ok, "a ready sidecar");
  }

  /** Replaces the policy file as a whole. JSON is YAML. */
  async setPolicy(spec) {
    const policy = { apiVersion: "pacer.dev/v1alpha1", kind: "RateLimitPolicy", metadata: { name: this.name }, spec };
    await writeFile(`${this.policy}.new`, JSON.stringify(policy));
    await rename(`${this.policy}.new`, this.policy);
  }

  async status() {
    return (await fetch(`${this.admin}/status`)).json();
  }

  /** Requests in the queue, all priorities together. */
  async waiting() {
    const { queue } = await this.status();
    return Object.values(queue.depth).reduce((sum, depth) => sum + depth, 0);
  }

  /** Whether nothing is held for any request. */
  async atRest() {
    const { in_flight: inFlight, streams_open: streamsOpen } = await this.status();
    return inFlight === 0 && streamsOpen === 0 && (await this.waiting()) === 0;
  }

  /** How often the sidecar itself refused a request for this reason. */
  async refusals(reason) {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    return Number(text.match(`sidecar_refusals_total{reason="${reason}"} (\\d+)`)[1]);
  }

  /** Asks for the end, as the kubelet does: once, since a second signal ends it at once. */
  terminate() {
    if (!this.#askedToEnd) this.process.kill("SIGTERM");
    this.#askedToEnd = true;
  }

  /** Ends the process; a drain that does not end cleanly fails the test. */
  async stop() {
    this.terminate();
    const [code] = await this.exited;
    await rm(this.directory, { recursive: true, force: true });
    assert.equal(code, 0, `the drain did not end cleanly:\n${this.#log.join("\n")}`);
  }

  /** Follows the log and finds the line with the addresses. */
  #addresses() {
    return new Promise((resolve, reject) => {
      this.exited.then(() => reject(new Error(`ended too early:\n${this.#log.join("\n")}`)));
      createInterface({ input: this.process.stderr }).on("line", (line) => {
        this.#log.push(line);
        const event = line.startsWith("{") ? JSON.parse(line) : {};
        if (event.proxy && event.metrics) resolve(event);
      });
    });
  }
}

/** Gives a test an upstream and a sidecar, and ends what was begun, wherever it fails: a server that is left open would keep the whole run from ending. */
export async function withSidecar(spec, body) {
  const upstream = await Upstream.start();
  try {
    const sidecar = await Sidecar.start(upstream.baseUrl, spec);
    try {
      await body({ upstream, sidecar });
    } finally {
      await sidecar.stop();
    }
  } finally {
    upstream.close();
  }
}
