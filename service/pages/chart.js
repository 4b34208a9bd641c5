// A trend with its normal band, thresholds and forecast, and the same figures as a table.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { nowMs } from "./clock.js";
import { el } from "./dom.js";
import { clockTime, day, dayTime, measure, timeZone } from "./format.js";

const HEIGHT = 200;
const TABLE_ROWS = 500;
// More points than this on a panel's width run into one another.
const CROWDED = 200;
const FONT = '12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Draw `trend` as /v1/trends gives it. `shown(value)` turns a value into what is drawn (a ratio into per cent), `unit` its unit.
 * Charts with the same `group` share their cursor. `hatched` marks times without a value, `byDay` values that are of a whole day.
 */
export function trendChart({ title, trend, unit, shown = (v) => v, digits = 0, group, range, hatched = false, byDay = false }) {
  const known = trend.points.filter(([, value]) => value !== null);
  if (!known.length && !trend.forecast?.length) {
    return el("figure", { class: "chart" }, el("figcaption", {}, title), el("p", { class: "empty unknown" }, "Unknown: no reading of this time is there."));
  }
  const at = byDay ? day : dayTime;
  const latest = known.length ? `Latest ${measure(shown(known.at(-1)[1]), unit, digits)}, ${at(known.at(-1)[0])}.` : "No reading of this time is there.";
  const bands = [trend.normal && "usual at this hour", trend.forecast?.length && `${trend.normal ? "ahead, " : ""}where four of five outcomes fall`].filter(Boolean);
  const against = trend.againstUsual ? ` ${trend.againstUsual[0].toUpperCase()}${trend.againstUsual.slice(1)}.` : "";
  const band = against + (bands.length ? ` Grey: ${bands.join("; ")}.` : "");
  const lost = hatched && known.length < trend.points.length ? " Hatched: unknown." : "";
  const plotted = el("div", { class: "plot", role: "img", "aria-label": `${title}. ${latest}${lost}` });
  const readout = el("p", { class: "chart-readout" }, latest + band + lost);
  const numbers = el("div", { class: "scroll as-table", hidden: true, tabindex: "0", role: "group", "aria-label": `${title}, as a table` });
  const toggle = el("button", { type: "button", "aria-expanded": "false", onclick: () => {
    numbers.hidden = !numbers.hidden;
    plotted.hidden = readout.hidden = !numbers.hidden;
    toggle.setAttribute("aria-expanded", String(!numbers.hidden));
    if (!numbers.hidden) numbers.replaceChildren(asTable(trend, unit, shown, digits, at));
  } }, "As table");
  // The width is known only when the figure stands in the page.
  requestAnimationFrame(() => {
    const plot = makePlot(plotted, { trend, unit, shown, digits, group, range, hatched, byDay }, (text) => (readout.textContent = text ?? latest + band + lost));
    new ResizeObserver(() => plotted.clientWidth && plot.setSize({ width: plotted.clientWidth, height: HEIGHT })).observe(plotted);
  });
  return el("figure", { class: "chart" }, el("figcaption", {}, el("span", {}, title), toggle), plotted, readout, numbers);
}

function makePlot(target, { trend, unit, shown, digits, group, range, hatched, byDay }, read) {
  const at = byDay ? day : dayTime;
  const { times, data, series, bands, count } = columns(trend, shown);
  const axis = { stroke: () => color("--ink-quiet"), font: FONT, grid: { stroke: () => color("--line"), width: 1 }, ticks: { stroke: () => color("--line"), size: 4 } };
  const told = (i) => (i < count
    ? `${measure(data[1][i], unit, digits)}, ${at(times[i] * 1000)}.`
    : `Expected ${measure(data[2][i], unit, digits)} (${measure(data[4][i], "", digits)} to ${measure(data[3][i], unit, digits)}), ${dayTime(times[i] * 1000)}.`);
  return new uPlot({
    width: target.clientWidth || 320,
    height: HEIGHT,
    series,
    bands,
    plugins: [{ hooks: { drawClear: hatched ? [(u) => hatch(u, trend.points)] : [], draw: [(u) => annotate(u, trend, shown)] } }],
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), timeZone()),
    scales: { y: { range: (u, low, high) => range ?? [Math.min(0, low), Math.max(high, ...(trend.thresholds ?? []).map((t) => shown(t.value)), 1) * 1.1] } },
    axes: [
      { ...axis, values: (_, splits) => (byDay ? splits.map((s) => day(s * 1000).split(" ").slice(1).join(" ")) : timeLabels(splits)), space: 60, size: 32 },
      { ...axis, size: 64, values: (_, splits) => splits.map((v) => `${v} ${unit === "%" || unit === "km/h" ? unit : ""}`.trim()), incrs: digits ? undefined : [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 2000, 5000] },
    ],
    cursor: { sync: group ? { key: group } : undefined, drag: { x: true, y: false } },
    legend: { show: false },
    hooks: { setCursor: [(u) => read(u.cursor.idx === null || u.cursor.idx === undefined ? null : told(u.cursor.idx))] },
  }, data, target);
}

// Measured and expected values stand one after another on one time axis; null is a gap, not a zero.
function columns(trend, shown) {
  const value = (v) => (v === null || v === undefined ? null : shown(v));
  const forecast = trend.forecast ?? [];
  const count = trend.points.length;
  const times = [...trend.points, ...forecast].map(([ms]) => ms / 1000);
  const before = (list) => [...Array(count).fill(null), ...list.map(value)];
  const after = (list) => [...list.map(value), ...Array(forecast.length).fill(null)];
  const edge = { stroke: "transparent", points: { show: false } };
  const line = { stroke: () => color("--accent"), width: count > CROWDED ? 1 : 2 };
  const fill = () => color("--band");
  const data = [times, after(trend.points.map(([, v]) => v))];
  const series = [{}, { ...line, spanGaps: false, points: { size: 4 } }];
  const bands = [];
  if (forecast.length) {
    data.push(before(forecast.map(([, level]) => level)), before(forecast.map(([, , , high]) => high)), before(forecast.map(([, , low]) => low)));
    series.push({ ...line, dash: [4, 4], points: { show: false } }, edge, edge);
    bands.push({ series: [3, 4], fill });
  }
  if (trend.normal?.low.length === count && trend.normal.high.length === count) {
    bands.push({ series: [series.length, series.length + 1], fill });
    series.push(edge, edge);
    data.push(after(trend.normal.high.map(([, v]) => v)), after(trend.normal.low.map(([, v]) => v)));
  }
  return { times, data, series, bands, count };
}

// Thresholds and the present are named where they are drawn.
function annotate(u, trend, shown) {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  ctx.save();
  ctx.font = FONT.replace("12px", `${12 * px}px`);
  ctx.textAlign = "left";
  const words = (text, x, y, ink) => {
    ctx.lineWidth = 4 * px;
    ctx.lineJoin = "round";
    ctx.strokeStyle = color("--surface");
    ctx.strokeText(text, x, y);
    ctx.fillStyle = color(ink);
    ctx.fillText(text, x, y);
  };
  const rule = (ink, ...ends) => {
    ctx.strokeStyle = color(ink);
    ctx.lineWidth = px;
    ctx.setLineDash([2 * px, 3 * px]);
    ctx.beginPath();
    ctx.moveTo(ends[0], ends[1]);
    ctx.lineTo(ends[2], ends[3]);
    ctx.stroke();
    ctx.setLineDash([]);
  };
  for (const threshold of trend.thresholds ?? []) {
    const y = Math.round(u.valToPos(shown(threshold.value), "y", true));
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    rule("--watch", bbox.left, y, bbox.left + bbox.width, y);
    words(threshold.name, bbox.left + 4 * px, y - 4 * px, "--watch");
  }
  const x = u.valToPos(nowMs() / 1000, "x", true);
  if (trend.forecast?.length && x > bbox.left && x < bbox.left + bbox.width) {
    rule("--ink-quiet", x, bbox.top, x, bbox.top + bbox.height);
    words("expected", x + 4 * px, bbox.top + bbox.height - 6 * px, "--ink-quiet");
  }
  ctx.restore();
}

// Where nothing is known the ground is hatched: a gap alone could be taken for a line that ran low.
function hatch(u, points) {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const x = (point) => Math.min(Math.max(u.valToPos(point[0] / 1000, "x", true), bbox.left), bbox.left + bbox.width);
  ctx.save();
  ctx.beginPath();
  for (let i = 0; i < points.length; i += 1) {
    if (points[i][1] !== null) continue;
    const first = i;
    while (i + 1 < points.length && points[i + 1][1] === null) i += 1;
    const [from, to] = [x(points[Math.max(first - 1, 0)]), x(points[Math.min(i + 1, points.length - 1)])];
    ctx.rect(from, bbox.top, Math.max(to - from, px), bbox.height);
  }
  ctx.clip();
  ctx.strokeStyle = color("--unknown");
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = px;
  ctx.beginPath();
  for (let left = bbox.left - bbox.height; left < bbox.left + bbox.width; left += 6 * px) {
    ctx.moveTo(left, bbox.top + bbox.height);
    ctx.lineTo(left + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

// Midnight says which day begins.
function timeLabels(splits) {
  return splits.map((s) => (clockTime(s * 1000) === "00:00" ? day(s * 1000).split(" ").slice(0, 2).join(" ") : clockTime(s * 1000)));
}

function asTable(trend, unit, shown, digits, at) {
  const row = (ms, text, note) => el("tr", {}, el("td", {}, at(ms)), el("td", { class: "number" }, text), el("td", {}, note));
  const value = (v) => measure(v === null ? null : shown(v), "", digits);
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"), el("th", { scope: "col", class: "number" }, unit), el("th", { scope: "col" }, ""))),
    el("tbody", {},
      [...trend.points].reverse().slice(0, TABLE_ROWS).map(([ms, v]) => row(ms, value(v), "measured")),
      (trend.forecast ?? []).map(([ms, level, low, high]) => row(ms, value(level), `expected, ${value(low)} to ${value(high)}`))));
}
