// What an operator sees at /dashboard, in a real Chromium. Tests wait for what they want to see, never for time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { DEADLINE_MS, Sidecar, eventually, withSidecar } from "../clients/node/sidecar.mjs";
import { rateLimited } from "../clients/node/upstream.mjs";
import { PHONE, launch, open } from "./browser.mjs";

const PATIENT = ["Urgent", "High", "Normal", "Low"].map((name) => ({ name, maxWaitSeconds: 3600, minimumSharePercent: 0 }));
// One request leaves at once; all after it wait.
const ONE_A_MINUTE = {
  rate: { requestsPerMinute: 1, windowMarginMilliseconds: 0, minimumGapMilliseconds: 0 },
  queue: { whenFull: "Reject", maxDepth: 300, priorities: PATIENT },
};

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** Gives a test an upstream, a sidecar and the page, and ends all three. Nothing may go wrong in the page but `expected`. */
function claim(title, spec, body, { expected, ...options } = {}) {
  const seen = async ({ upstream, sidecar }) => {
    const { page, faults } = await open(browser, sidecar.admin, options);
    page.setDefaultTimeout(DEADLINE_MS);
    try {
      await body({ upstream, sidecar, page });
      assert.deepEqual(faults.filter((fault) => !expected?.test(fault)), []);
    } finally {
      await page.context().close();
    }
  };
  test(title, { timeout: 4 * DEADLINE_MS }, () => withSidecar(spec, seen));
}

/** Sends a request that nobody waits for; its end is that of the test. */
function call(sidecar, priority) {
  const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }] });
  const headers = { "content-type": "application/json", "x-priority": priority };
  return fetch(`${sidecar.baseUrl}/chat/completions`, { method: "POST", headers, body }).catch(() => undefined);
}

const shows = (page, selector, text) =>
  eventually(async () => (await page.textContent(selector)).includes(text), `${text} in ${selector}`);

const title = (page, wanted) => eventually(async () => wanted.test(await page.title()), `the title ${wanted}`);

/** Lets `change` edit what the sidecar says before the page reads it. */
const edit = (page, change) =>
  page.route("**/dashboard/data", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: change(await response.json()) });
  });

/** Lets the page read so many answers. */
async function answers(page, count) {
  for (let answer = 0; answer < count; answer += 1) await page.waitForResponse("**/dashboard/data");
}

/** As the browser does it when somebody looks at another tab. */
const hide = (page, hidden) =>
  page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { configurable: true, value });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);

const width = (page, selector) => page.$eval(selector, (element) => element.getBoundingClientRect().width);

claim("values change live, and the title tells how many wait", ONE_A_MINUTE, async ({ sidecar, page }) => {
  await shows(page, "#waiting", "0");
  await call(sidecar, "normal");
  for (const priority of ["urgent", "low", "low"]) call(sidecar, priority);
  await shows(page, "#waiting", "3");
  await shows(page, "#lane-low td", "2");
  await shows(page, "#lane-urgent td", "1");
  assert.match(await page.title(), /^3 waiting, 1 a minute/);
  assert.equal(await page.$eval("#lane-low .bar span", (bar) => getComputedStyle(bar).transitionDuration), "0.3s");
  await eventually(async () => (await width(page, "#lane-low .bar span")) > (await width(page, "#lane-urgent .bar span")), "bars");
});

claim("a policy's edit and a policy's fault are shown without a reload", ONE_A_MINUTE, async ({ sidecar, page }) => {
  await shows(page, "#settings-summary", "1 a minute");
  await sidecar.setPolicy({ ...ONE_A_MINUTE, rate: { requestsPerMinute: 77 } });
  await shows(page, "#settings-summary", "77 a minute");
  await shows(page, "#settings-source", "clients from file");
  await sidecar.setPolicy({ rate: { requestsPerMinute: -3 } });
  await shows(page, "#settings-error", "requestsPerMinute");
  await shows(page, "#settings-summary", "77 a minute");
});

claim("a text of the policy's is never read as HTML", ONE_A_MINUTE, async ({ sidecar, page }) => {
  const models = ["<img src=x onerror=alert(1)>"];
  await sidecar.setPolicy({ ...ONE_A_MINUTE, match: { models } });
  await eventually(async () => (await page.textContent("#settings")).includes(models[0]), "the text itself");
  assert.equal(await page.locator("img").count(), 0);
});

const STRICT = { rate: { requestsPerMinute: 600 }, retreat: { minimumSamples: 2 } };
claim("a retreat is shown with its cause and with what comes next", STRICT, async ({ upstream, sidecar, page }) => {
  await shows(page, "#pace-state", "Normal");
  upstream.answers([], rateLimited);
  for (let sent = 0; sent < 12; sent += 1) call(sidecar, "urgent");
  await eventually(async () => (await page.getAttribute("#pace", "data-state")) === "retreat", "the retreat");
  await shows(page, "#pace-state", "Retreating");
  await shows(page, "#pace-cause", "429s came often or in a row");
  assert.notEqual(await page.textContent("#pace-next"), "");
  assert.match(await page.title(), /\(retreat\)/);
  await shows(page, "#news", "Retreating");
});

claim("silence draws a veil, and the next answer lifts it", ONE_A_MINUTE, async ({ page }) => {
  await shows(page, "#waiting", "0");
  assert.equal(await page.isVisible("#veil"), false);
  await page.context().setOffline(true);
  await page.waitForSelector("#veil", { state: "visible" });
  await shows(page, "#veil-text", "No data for");
  const colour = await page.$eval("#veil", (veil) => getComputedStyle(veil).backgroundColor);
  assert.match(colour, /0\.78\)$/, "what is below stays readable");
  await title(page, /^No data/);
  await page.click("#settings-summary");
  assert.equal(await page.locator("details[open]").count(), 1, "and can be used");
  await page.context().setOffline(false);
  await page.waitForSelector("#veil", { state: "hidden" });
  await title(page, /^0 waiting/);
}, { expected: /ERR_INTERNET_DISCONNECTED/ });

claim("a look at another tab lifts no veil", ONE_A_MINUTE, async ({ page }) => {
  await page.context().setOffline(true);
  await page.waitForSelector("#veil", { state: "visible" });
  const silence = async () => Number((await page.textContent("#veil-text")).match(/(\d+) s/)[1]);
  const before = await silence();
  await page.evaluate(() => {
    new MutationObserver(() => (window.lifted ||= document.querySelector("#veil").hidden)).observe(
      document.querySelector("#veil"),
      { attributes: true },
    );
  });
  await hide(page, true);
  await hide(page, false);
  await eventually(async () => (await silence()) > before + 1, "more silence");
  assert.equal(await page.evaluate(() => window.lifted ?? false), false);
}, { expected: /ERR_INTERNET_DISCONNECTED/ });

claim("the title of a tab that nobody sees claims nothing", ONE_A_MINUTE, async ({ page }) => {
  await title(page, /^0 waiting/);
  await hide(page, true);
  await title(page, /^Pacer$/);
  await hide(page, false);
  await title(page, /^0 waiting/);
});

claim("an answer that cannot be shown is none", ONE_A_MINUTE, async ({ page }) => {
  await shows(page, "#waiting", "0");
  await edit(page, ({ history, ...rest }) => rest);
  await page.waitForSelector("#veil", { state: "visible" });
});

claim("a sidecar of another version gets its own page", ONE_A_MINUTE, async ({ page }) => {
  await shows(page, "#waiting", "0");
  await page.evaluate(() => (window.old = true));
  await edit(page, ({ status, ...rest }) => ({ ...rest, status: { ...status, version: "99.0.0" } }));
  await eventually(async () => !(await page.evaluate(() => window.old).catch(() => true)), "another page");
  await shows(page, "#who", "99.0.0");
});

claim("a reader's place in the chart is left alone while nothing is new", ONE_A_MINUTE, async ({ page }) => {
  await edit(page, (data) => ({ ...data, history: { every_seconds: 5, length: 180, points: [[1, 1, 0], [1, 0, 0]] } }));
  await eventually(async () => (await page.$$("#chart-table tr")).length === 1, "one minute");
  const row = await page.$("#chart-table tr");
  await answers(page, 3);
  assert.ok(await row.evaluate((element) => element.isConnected));
});

claim("a list of nothing is shown as that", ONE_A_MINUTE, ({ page }) => shows(page, "#settings", "readiness.gatesnone"));

claim("where the policy only observes, nobody is said to be held back", { ...ONE_A_MINUTE, mode: "Observe" }, ({ page }) =>
  shows(page, "#pace-next", "only observes"),
);

claim("a sidecar that comes back at its address is seen without a reload", ONE_A_MINUTE, async ({ upstream, sidecar, page }) => {
  await shows(page, "#settings-summary", "1 a minute");
  await sidecar.stop();
  await page.waitForSelector("#veil", { state: "visible" });
  const metricsPort = new URL(sidecar.admin).port;
  const again = await Sidecar.start(upstream.baseUrl, { rate: { requestsPerMinute: 55 } }, { metricsPort });
  try {
    await page.waitForSelector("#veil", { state: "hidden" });
    await shows(page, "#settings-summary", "55 a minute");
  } finally {
    await again.stop();
  }
}, { expected: /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });

claim("a sidecar that hangs counts as silent, and its waking is seen by itself", ONE_A_MINUTE, async ({ sidecar, page }) => {
  await shows(page, "#waiting", "0");
  sidecar.process.kill("SIGSTOP");
  try {
    await page.waitForSelector("#veil", { state: "visible" });
  } finally {
    sidecar.process.kill("SIGCONT");
  }
  await page.waitForSelector("#veil", { state: "hidden" });
  await call(sidecar, "urgent");
  call(sidecar, "urgent");
  await shows(page, "#waiting", "1");
});

claim(
  "on a phone nothing is wider than the screen",
  ONE_A_MINUTE,
  async ({ page }) => {
    await shows(page, "#waiting", "0");
    await page.click("#settings-summary");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= PHONE.width);
  },
  { viewport: PHONE },
);

claim("the keyboard reaches and opens whatever opens", ONE_A_MINUTE, async ({ page }) => {
  await shows(page, "#waiting", "0");
  const seen = new Set();
  for (let press = 0; press < 6; press += 1) {
    await page.keyboard.press("Tab");
    seen.add(await page.evaluate(() => document.activeElement.textContent.trim()));
    if (await page.evaluate(() => document.activeElement.tagName === "SUMMARY")) await page.keyboard.press("Enter");
  }
  assert.ok([...seen].some((text) => text.includes("The same as a table")), [...seen].join());
  assert.equal(await page.locator("details[open]").count(), 2);
});

claim("a screen reader finds headings, the meter with its value and a picture with words", ONE_A_MINUTE, async ({ page }) => {
  await shows(page, "#waiting", "0");
  for (const name of ["Pace", "Bucket", "Upstream", "Settings in force"]) {
    assert.equal(await page.getByRole("heading", { name, exact: true }).count(), 1, name);
    assert.equal(await page.getByRole("region", { name, exact: true }).count(), 1, name);
  }
  const meter = page.getByRole("meter", { name: "Bucket" });
  await eventually(async () => /^\d+ of 1 tokens$/.test(await meter.getAttribute("aria-valuetext")), "the meter's value");
  assert.equal(await page.getByRole("img", { name: /^In the last minute: / }).count(), 1);
  assert.equal(await page.getByRole("rowheader", { name: "urgent" }).count(), 1);
});

for (const colorScheme of ["light", "dark"]) {
  claim(
    `text can be told from its ground in the ${colorScheme}`,
    ONE_A_MINUTE,
    async ({ page }) => {
      const contrasts = await page.evaluate(() => {
        const style = getComputedStyle(document.documentElement);
        const luminance = (name) => {
          const hex = style.getPropertyValue(name).trim().replace("#", "");
          const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
          const linear = full.match(/../g).map((part) => {
            const share = parseInt(part, 16) / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        };
        const names = ["--ink", "--soft", "--served", "--pace", "--refused", "--good"];
        return names.flatMap((name) =>
          ["--card", "--page"].map((ground) => {
            const [darker, lighter] = [luminance(name), luminance(ground)].sort((a, b) => a - b);
            return [`${name} on ${ground}`, (lighter + 0.05) / (darker + 0.05)];
          }),
        );
      });
      // WCAG 2.2, 1.4.3: at least 4.5 to 1.
      assert.deepEqual(contrasts.filter(([, contrast]) => contrast < 4.5), []);
    },
    { colorScheme },
  );
}
