// Takes the pictures of docs/images from a demo whose upstream grants less than the sidecar knows of.
//
// Usage: pictures.mjs FOLDER   (with PACER_BIN, CHROMIUM and PACER_PAGE_MODULES, as run.sh sets them)

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { DESK, PHONE, launch, open } from "./browser.mjs";

const folder = process.argv[2];
// Long enough for a line to show what the pace does.
const HISTORY_MS = 110_000;
// The upstream refuses first when a minute of the demo is nearly over; a second time there is a line to see.
const RETREAT_MS = 70_000;

/** A demo, the address of its port for operators, and its end. */
async function demo() {
  const ports = ["--port", "0", "--metrics-port", "0"];
  const quota = ["--rpm", "40", "--upstream-rpm", "24", "--upstream-step", "40@130s"];
  const child = spawn(process.env.PACER_BIN, ["demo", ...ports, ...quota], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const admin = await new Promise((resolve, reject) => {
    exited.then(([code]) => reject(new Error(`the demo ended with ${code} before it told its address`)));
    // Read to the end: the demo ends when nobody takes its output.
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = line.match(/look at +(http:\/\/[^/]+)\/dashboard/)?.[1];
      if (address) resolve(address);
    });
  });
  return { child, admin, exited };
}

/** The whole page as a picture, once its bars have settled and the pace is in the wanted state. */
async function shoot(browser, admin, name, { state, ...options }) {
  const { page, faults } = await open(browser, admin, options);
  await page.waitForFunction(() => document.querySelector("#pace-rpm").textContent !== "–");
  await pause(2_000);
  if (state) await page.waitForSelector(`#pace[data-state="${state}"]`, { timeout: HISTORY_MS });
  await page.screenshot({ path: join(folder, `dashboard-${name}.png`), fullPage: true });
  await page.context().close();
  if (faults.length) throw new Error(faults.join("\n"));
}

const { child, admin, exited } = await demo();
const browser = await launch();
try {
  await pause(RETREAT_MS);
  await shoot(browser, admin, "retreating", { viewport: DESK, state: "retreat" });
  await pause(HISTORY_MS - RETREAT_MS);
  await shoot(browser, admin, "light", { viewport: DESK });
  await shoot(browser, admin, "dark", { viewport: DESK, colorScheme: "dark" });
  await shoot(browser, admin, "phone", { viewport: PHONE });
} finally {
  await browser.close();
  child.kill("SIGTERM");
  await exited;
}
