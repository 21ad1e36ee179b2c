// Takes the pictures of docs/images: a sidecar whose upstream grants less than its policy says, now and then.
//
// Usage: pictures.mjs FOLDER   (with PACER_BIN, CHROMIUM and PACER_PAGE_MODULES, as run.sh sets them)

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { Sidecar } from "../clients/node/sidecar.mjs";
import { Upstream, echo, gate, rateLimited, streamed } from "../clients/node/upstream.mjs";
import { DESK, PHONE, launch, open } from "./browser.mjs";

const folder = process.argv[2];
const MINUTE_MS = 60_000;
const POLICY = {
  rate: { requestsPerMinute: 40, capacity: 20 },
  queue: { whenFull: "Reject", priorities: [{ name: "Low", maxWaitSeconds: 60, minimumSharePercent: 5 }] },
};
// What the upstream grants a minute, from which minute on.
const GRANTS = [[0, 40], [3, 24], [8, 40], [14, 24]];
const CALM_MINUTE = 13.5;
// Requests a minute of each priority: together a little more than the policy grants.
const LOAD = { urgent: 4, high: 8, normal: 26, low: 6 };

/** Grants what GRANTS says in every window of a minute, and answers after a while. */
function quota(started) {
  const granted = [];
  return async (response, received) => {
    const now = performance.now();
    const minutes = (now - started) / MINUTE_MS;
    const [, limit] = GRANTS.findLast(([from]) => minutes >= from);
    while (granted.length && granted[0] <= now - MINUTE_MS) granted.shift();
    if (granted.length >= limit) return rateLimited(response);
    granted.push(now);
    await pause(400 + Math.random() * 1_200);
    if (received.prompt === "whole") return echo(response, received);
    const finished = gate();
    setTimeout(finished.open, 500 + Math.random() * 1_500);
    return streamed("hel", "lo", finished)(response);
  };
}

/** Calls of one priority, at random, until stopped. Half of them stream. */
async function calls(baseUrl, priority, rate, stopped) {
  const headers = { "content-type": "application/json", "x-priority": priority };
  while (!stopped.aborted) {
    await pause(-Math.log(1 - Math.random()) * (MINUTE_MS / rate));
    const content = Math.random() < 0.5 ? "whole" : "streamed";
    const body = JSON.stringify({ model: "m", stream: content === "streamed", messages: [{ role: "user", content }] });
    fetch(`${baseUrl}/chat/completions`, { method: "POST", headers, body, signal: stopped })
      .then((response) => response.text())
      .catch(() => undefined);
  }
}

/** The whole page as a picture, once its bars have settled and the pace is in the wanted state. */
async function shoot(browser, admin, name, { state, ...options }) {
  const { page, faults } = await open(browser, admin, options);
  await page.waitForFunction(() => document.querySelector("#pace-rpm").textContent !== "–");
  await pause(2_000);
  if (state) await page.waitForSelector(`#pace[data-state="${state}"]`, { timeout: 5 * MINUTE_MS });
  await page.screenshot({ path: join(folder, `dashboard-${name}.png`), fullPage: true });
  await page.context().close();
  if (faults.length) throw new Error(faults.join("\n"));
}

const started = performance.now();
const upstream = await Upstream.start();
upstream.answers([], quota(started));
const sidecar = await Sidecar.start(upstream.baseUrl, POLICY, { name: "nvidia" });
const load = new AbortController();
for (const [priority, rate] of Object.entries(LOAD)) calls(sidecar.baseUrl, priority, rate, load.signal);
const browser = await launch();
try {
  await pause(CALM_MINUTE * MINUTE_MS - (performance.now() - started));
  await shoot(browser, sidecar.admin, "light", { viewport: DESK });
  await shoot(browser, sidecar.admin, "dark", { viewport: DESK, colorScheme: "dark" });
  await shoot(browser, sidecar.admin, "phone", { viewport: PHONE });
  await pause(14.2 * MINUTE_MS - (performance.now() - started));
  await shoot(browser, sidecar.admin, "retreating", { viewport: DESK, state: "retreat" });
} finally {
  load.abort();
  await browser.close();
  upstream.close();
  await sidecar.stop();
}
process.exit();
