// The line of the last minutes: three series a minute each, as SVG and as a table.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 40, right: 8, top: 8, bottom: 20 };

/** For each point, what happened in the minute up to it. */
function perMinute(points, column, perMinute) {
  return points.map((_, end) => {
    const minute = points.slice(Math.max(0, end + 1 - perMinute), end + 1);
    return minute.reduce((sum, point) => sum + point[column], 0);
  });
}

/** The series of a history as the sidecar sends it. */
export function series({ every_seconds: every, points }) {
  const intervals = Math.round(60 / every);
  return {
    paced: points.map(([pace]) => pace),
    served: perMinute(points, 1, intervals),
    refused: perMinute(points, 2, intervals),
  };
}

/** A round number not below `value`, easy to halve. */
function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 4)));
  return [1, 2, 4, 6, 8, 10].map((times) => times * unit).find((round) => round >= value);
}

function add(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
}

function drawGrid(svg, x, y, top, minutes) {
  const right = svg.clientWidth - MARGIN.right;
  for (const value of [0, top / 2, top]) {
    add(svg, "line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) });
    add(svg, "text", { x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value));
  }
  for (let ago = minutes; ago >= 0; ago -= 5) {
    const anchor = ago === 0 ? "end" : "middle";
    add(svg, "text", { x: x(ago), y: svg.clientHeight - 4, "text-anchor": anchor }, ago === 0 ? "now" : `−${ago} min`);
  }
}

/** Draws the history into the SVG element, and says in words what it shows. */
export function draw(svg, history) {
  const lines = series(history);
  const { clientWidth: width, clientHeight: height } = svg;
  const minutes = (history.length * history.every_seconds) / 60;
  const top = roundUp(Math.max(4, ...lines.paced, ...lines.served, ...lines.refused));
  const x = (ago) => MARGIN.left + (1 - ago / minutes) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => height - MARGIN.bottom - (value / top) * (height - MARGIN.top - MARGIN.bottom);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawGrid(svg, x, y, top, minutes);
  for (const [name, values] of Object.entries(lines)) {
    const ago = (index) => ((values.length - 1 - index) * history.every_seconds) / 60;
    const points = values.map((value, index) => `${x(ago(index)).toFixed(1)},${y(value).toFixed(1)}`);
    add(svg, "polyline", { class: name, points: points.join(" ") });
  }
  const last = (values) => values.at(-1) ?? 0;
  const now = `${last(lines.served)} answered, pace ${last(lines.paced)}, ${last(lines.refused)} upstream 429s`;
  svg.setAttribute("aria-label", `In the last minute: ${now}. Most 429s in a minute: ${Math.max(0, ...lines.refused)}.`);
}

/** One row a minute, newest first. */
export function tabulate(body, history) {
  const { served, paced, refused } = series(history);
  const intervals = Math.round(60 / history.every_seconds);
  const rows = [];
  for (let index = served.length - 1, ago = 0; index >= 0; index -= intervals, ago += 1) {
    const row = document.createElement("tr");
    for (const value of [ago, served[index], paced[index], refused[index]]) row.insertCell().textContent = value;
    rows.push(row);
  }
  body.replaceChildren(...rows);
}
