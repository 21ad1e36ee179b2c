// Asks the sidecar once a second and shows what it says. Everything is text or a number set through the DOM:
// nothing that comes from outside is ever read as HTML.

import { draw, tabulate } from "./chart.js";

const ASK_EVERY_MS = 1_000;
const GIVE_UP_AFTER_MS = 3_000;
const VEIL_AFTER_MS = 5_000;
const TITLE = document.title;
const PRIORITIES = ["urgent", "high", "normal", "low"];

const STATES = {
  normal: "Normal.",
  retreat: "Retreating.",
  recover: "Recovering.",
};

const CAUSES = {
  refused: "429s came often or in a row.",
  limit: "A limit of the upstream's was learned.",
  short_limit: "A limit over a shorter time was learned.",
  probe: "A step above the known limit was refused.",
  burst: "Too many had left at once.",
  unexplained: "No limit explains the 429s: somebody else may use the quota.",
  passing: "A refusal that means nothing yet.",
  doubt: "A learned limit turned out to be none.",
  served: "Nothing has been refused for a moment.",
  quiet: "Nothing has been refused or asked for a minute.",
  restored: "The policy's pace was reached again.",
  settings: "The settings changed.",
};

const POLICY_STATES = {
  unused: "No policy was asked for: flags and environment decide.",
  starting: "The policy's first answer is still waited for.",
  synced: "The newest policy is in force.",
  invalid: "The newest policy breaks a rule; the last good settings stay in force.",
  not_found: "There is no such policy.",
  deleted: "The policy is gone; its last settings stay in force.",
  forbidden: "The API server does not let the policy be read.",
  unreachable: "The policy's source cannot be read; the last good settings stay in force.",
};

const by = (id) => document.getElementById(id);

/** Sets a text only where it differs: a screen reader, or a selection, is not disturbed. */
function say(id, text) {
  if (by(id).textContent !== String(text)) by(id).textContent = text;
}

const shown = new Map();

/** Shows a value only where it is other than what was shown by that name, for the same reason. */
function ifNew(name, value, present) {
  const text = JSON.stringify(value);
  if (shown.has(name) && shown.get(name) === text) return;
  present(value);
  shown.set(name, text);
}

const percent = (part, whole) => `${Math.min(100, whole > 0 ? (100 * part) / whole : 0).toFixed(1)}%`;

function duration(seconds) {
  if (seconds < 0.01) return "< 10 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7_200 ? `${Math.floor(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** The two quantiles of a spread as text; above the largest bound nothing is known but the bound. */
function quantiles({ p50, p95, top }, unit) {
  return [p50, p95].map((value) => {
    if (value === null) return "–";
    return value >= top ? `> ${unit(top)}` : unit(value);
  });
}

function spread(id, values, unit) {
  const cells = by(id).querySelectorAll("td");
  quantiles(values, unit).forEach((text, index) => (cells[index].textContent = text));
}

function nextStep({ gate, retreat, settings }) {
  if (settings.mode === "Observe") return "every request leaves at once: the policy only observes.";
  const { state, base_rpm: base, next_step_seconds: step } = retreat;
  const next = [];
  if (gate.closed_seconds > 0) {
    next.push(`nothing leaves for ${duration(gate.closed_seconds)}, since the upstream refused or said that nothing is left`);
  }
  if (step !== null) next.push(`a step above the known limit in ${duration(step)}, to see whether it rose`);
  else if (state === "retreat") next.push("the pace rises again once nothing is refused for a moment");
  else if (state === "recover") next.push(`the pace rises while nothing is refused, up to ${base} a minute`);
  else next.push("the pace stays until the upstream refuses");
  return `${next.join("; then ")}.`;
}

function learned({ learned_limit_rpm: limit, short_windows: windows, burst }) {
  const found = [];
  if (limit !== null) found.push(`${limit} a minute`);
  for (const { seconds, requests } of windows) found.push(`${requests} in ${duration(seconds)}`);
  if (burst !== null) found.push(`${burst} at once`);
  return found.length ? `Learned of the upstream: ${found.join(", ")}.` : "";
}

function showPace(status) {
  const { retreat } = status;
  const moved = retreat.last_transition;
  by("pace").dataset.state = retreat.state;
  say("pace-rpm", retreat.effective_rpm);
  say("pace-base", retreat.base_rpm);
  say("pace-state", STATES[retreat.state]);
  say("pace-cause", moved ? `${CAUSES[moved.cause]} (${duration(moved.seconds_ago)} ago)` : "");
  say("pace-learned", learned(retreat));
  say("pace-next", nextStep(status));
}

function showBucket({ token_bucket: bucket, window: held }) {
  const tokens = Math.floor(bucket.tokens);
  by("bucket").setAttribute("aria-valuemax", bucket.capacity);
  by("bucket").setAttribute("aria-valuenow", tokens);
  by("bucket").setAttribute("aria-valuetext", `${tokens} of ${bucket.capacity} tokens`);
  by("bucket-level").style.strokeDasharray = `${parseFloat(percent(bucket.tokens, bucket.capacity))} 100`;
  say("bucket-text", `${tokens} / ${bucket.capacity}`);
  say("window-text", `Window: ${held.used} of ${held.limit} requests used`);
  by("window-bar").style.width = percent(held.used, held.limit);
}

function showUpstream({ status, first_byte: firstByte, generation }) {
  spread("first-byte", firstByte, duration);
  spread("generation", generation, (rate) => (rate < 10 ? rate.toFixed(1) : Math.round(rate)));
  const share = Math.round(100 * status.retreat.upstream_429_rate);
  say("upstream-text", `${share} % refused lately; ${status.streams_open} streaming, ${status.in_flight} in flight`);
}

/** The rows are made once; later they only change, so that the bars can glide. */
function makeLanes() {
  for (const priority of PRIORITIES) {
    const row = by("lanes").insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = priority;
    const bar = document.createElement("div");
    bar.className = `bar ${priority}`;
    bar.setAttribute("aria-hidden", "true");
    bar.append(document.createElement("span"));
    row.id = `lane-${priority}`;
    row.append(name);
    row.insertCell();
    row.insertCell().append(bar);
    row.insertCell();
    row.insertCell();
  }
}

function showLanes({ status: { queue }, waits }) {
  const longest = Math.max(10, ...Object.values(queue.depth));
  for (const priority of PRIORITIES) {
    const [, depth, lane, ...wait] = by(`lane-${priority}`).cells;
    depth.textContent = queue.depth[priority];
    lane.querySelector("span").style.width = percent(queue.depth[priority], longest);
    quantiles(waits[priority], duration).forEach((text, index) => (wait[index].textContent = text));
  }
  say("waiting", queue.total);
  say("waiting-limit", `of ${queue.limit} at most; p50 and p95 of the waits, last 15 minutes`);
}

/** `[path, value]` of every leaf. */
function leaves(value, path = []) {
  if (Array.isArray(value) && value.length && value.every((item) => item?.name)) {
    return value.flatMap(({ name, ...rest }) => leaves(rest, [...path, name]));
  }
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  return [[path.join("."), Array.isArray(value) ? value.join(", ") || "none" : String(value)]];
}

function showSettings({ policy, settings }) {
  const { name, namespace, generation, source, state, reason, rejected } = policy;
  const whose = name ? `${namespace ? `${namespace}/` : ""}${name} from ${source}` : `from ${source}`;
  say("settings-source", `${whose}, ${generation === null ? "without a generation" : `generation ${generation}`}`);
  say("settings-state", `${POLICY_STATES[state]}${reason && reason !== rejected ? ` ${reason}` : ""}`);
  say("settings-error", rejected ? `Last policy error: ${rejected}` : "");
  by("settings-error").hidden = !rejected;
  const { rate, queue, mode } = settings;
  const full = queue.whenFull === "Passthrough" ? "then pass through" : "then refuse";
  say("settings-summary", `${mode}: ${rate.requestsPerMinute} a minute, burst ${rate.capacity}, ${queue.maxDepth} may wait, ${full}`);
  ifNew("settings", settings, tabulateSettings);
}

function tabulateSettings(settings) {
  const rows = leaves(settings).map(([path, value]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = path;
    row.append(head);
    row.insertCell().textContent = value;
    return row;
  });
  by("settings").replaceChildren(...rows);
}

function showHead({ version, uptime_seconds: uptime, ready, unready_because: because, policy }) {
  say("who", `${policy.name ?? "no policy"}, version ${version}, up ${duration(uptime)}`);
  say("ready", ready ? "ready" : `not ready: ${because}`);
  by("ready").dataset.ready = ready;
}

/** What a screen reader is told: changes of state, never figures. */
function tellNews({ status: { retreat, policy, ready } }) {
  say("news", `Pace: ${STATES[retreat.state]} Policy: ${POLICY_STATES[policy.state]} ${ready ? "Ready." : "Not ready."}`);
}

function show(data) {
  const { status, history } = data;
  const { queue, retreat } = status;
  showHead(status);
  showPace(status);
  showBucket(status);
  showUpstream(data);
  showLanes(data);
  ifNew("history", history, () => {
    draw(by("chart"), history);
    tabulate(by("chart-table"), history);
  });
  showSettings(status);
  // Nobody asks for a hidden tab, so its title would stay what it was.
  document.title = document.hidden ? TITLE : `${queue.total} waiting, ${retreat.effective_rpm} a minute${retreat.state === "normal" ? "" : ` (${retreat.state})`} – Pacer`;
}

let heardAt = performance.now();
let asking = false;
let newest = null;
let version;

function veil() {
  const silence = performance.now() - heardAt;
  const veiled = silence >= VEIL_AFTER_MS;
  by("veil").hidden = !veiled;
  if (veiled) {
    say("veil-text", `No data for ${Math.round(silence / 1000)} s: what is below is old. Still asking, once a second.`);
    say("news", "No data: what is shown is old.");
    document.title = `No data – ${TITLE}`;
  }
}

async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch("dashboard/data", { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_AFTER_MS) });
    if (answer.ok) {
      const data = await answer.json();
      // Started anew as another version: its own page knows its data.
      if (data.status.version !== (version ??= data.status.version)) location.reload();
      show(data);
      tellNews(data);
      // Not before: an answer that cannot be shown is none.
      newest = data;
      heardAt = performance.now();
    }
  } catch {
    // No sidecar, no answer in time, or none that can be shown: the veil says so, and the next second tries again.
  } finally {
    asking = false;
    veil();
  }
}

makeLanes();
setInterval(ask, ASK_EVERY_MS);
setInterval(() => document.hidden || veil(), ASK_EVERY_MS);
addEventListener("resize", () => newest && draw(by("chart"), newest.history));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) document.title = TITLE;
  // Nobody looked, so nobody asked: that is no silence of the sidecar's, unless it was silent before.
  if (by("veil").hidden) heardAt = performance.now();
  ask();
});
ask();
