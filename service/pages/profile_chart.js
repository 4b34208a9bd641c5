// The usual day of a place: medians of workdays and weekends by hour, the spread behind them, and the same as a table.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { el } from "./dom.js";
import { measure, number } from "./format.js";

const HEIGHT = 200;
const FONT = '12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clock = (hour) => `${String(hour).padStart(2, "0")}:00`;

/** Draw `workday` and `weekend` as /v1/traffic/{id}/profile gives them; `refusal` is said where there are none. */
export function profileChart({ title, workday, weekend, refusal }) {
  if (!workday.length) {
    return el("figure", { class: "chart" }, el("figcaption", {}, title), el("p", { class: "empty unknown" }, refusal ?? "Unknown: nothing was counted."));
  }
  const days = Math.max(...workday.map((hour) => hour.days));
  const resting = `Median of ${number(days)} workdays. Grey: from the 10th to the 90th percentile.`;
  const plotted = el("div", { class: "plot", role: "img", "aria-label": `${title}. ${resting} ${peakOf(workday)}` });
  const readout = el("p", { class: "chart-readout" }, resting);
  const numbers = el("div", { class: "scroll as-table", hidden: true, tabindex: "0", role: "group", "aria-label": `${title}, as a table` });
  const toggle = el("button", { type: "button", "aria-expanded": "false", onclick: () => {
    numbers.hidden = !numbers.hidden;
    plotted.hidden = readout.hidden = !numbers.hidden;
    toggle.setAttribute("aria-expanded", String(!numbers.hidden));
    if (!numbers.hidden) numbers.replaceChildren(asTable(workday, weekend));
  } }, "As table");
  // The width is known only when the figure stands in the page.
  requestAnimationFrame(() => {
    const plot = makePlot(plotted, workday, weekend, (text) => (readout.textContent = text ?? resting));
    new ResizeObserver(() => plotted.clientWidth && plot.setSize({ width: plotted.clientWidth, height: HEIGHT })).observe(plotted);
  });
  return el("figure", { class: "chart" }, el("figcaption", {}, el("span", {}, title), toggle), plotted, readout, numbers);
}

function peakOf(hours) {
  const known = hours.filter((hour) => hour.median !== null);
  if (!known.length) return "";
  const peak = known.reduce((a, b) => (b.median > a.median ? b : a));
  return `Most at ${clock(peak.hour)}: ${measure(peak.median, "vehicles/h")}.`;
}

function makePlot(target, workday, weekend, read) {
  const axis = { stroke: () => color("--ink-quiet"), font: FONT, grid: { stroke: () => color("--line"), width: 1 }, ticks: { stroke: () => color("--line"), size: 4 } };
  const edge = { stroke: "transparent", points: { show: false } };
  const of = (list, name) => list.map((hour) => hour[name]);
  const free = weekend.length ? of(weekend, "median") : workday.map(() => null);
  const told = (i) => `${clock(i)} to ${clock(i + 1)}: workdays ${measure(workday[i].median)} (${measure(workday[i].low)} to ${measure(workday[i].high)}), weekends ${measure(free[i])} vehicles/h.`;
  return new uPlot({
    width: target.clientWidth || 320,
    height: HEIGHT,
    series: [
      {},
      { stroke: () => color("--accent"), width: 2, spanGaps: false, points: { show: false } },
      { stroke: () => color("--ink-quiet"), width: 1.5, dash: [5, 4], spanGaps: false, points: { show: false } },
      edge, edge,
    ],
    bands: [{ series: [3, 4], fill: () => color("--band") }],
    plugins: [{ hooks: { draw: [(u) => label(u, [["workdays", 1, "--accent", 0, -6], ["weekends", 2, "--ink-quiet", 12, 16]])] } }],
    scales: { x: { time: false, range: [0, 23] }, y: { range: (u, low, high) => [0, Math.max(high, 1) * 1.15] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map(clock), space: 60, size: 32, incrs: [1, 2, 3, 4, 6, 12] },
      { ...axis, size: 64, values: (_, splits) => splits.map((v) => number(v)) },
    ],
    cursor: { drag: { x: false, y: false } },
    legend: { show: false },
    hooks: { setCursor: [(u) => read(u.cursor.idx === null || u.cursor.idx === undefined ? null : told(u.cursor.idx))] },
  }, [of(workday, "hour"), of(workday, "median"), free, of(workday, "high"), of(workday, "low")], target);
}

// Lines are named where they are highest, each in its own half of the day, one above and one below it.
function label(u, names) {
  const { ctx } = u;
  const px = devicePixelRatio;
  ctx.save();
  ctx.font = FONT.replace("12px", `${12 * px}px`);
  ctx.textAlign = "center";
  for (const [text, series, ink, from, beside] of names) {
    const values = u.data[series].map((v, i) => (v === null || i < from || i >= from + 12 ? -1 : v));
    const at = values.indexOf(Math.max(...values));
    if (values[at] < 0) continue;
    const x = Math.max(u.valToPos(at, "x", true), u.bbox.left + 36 * px);
    const y = u.valToPos(values[at], "y", true) + beside * px;
    ctx.lineWidth = 4 * px;
    ctx.lineJoin = "round";
    ctx.strokeStyle = color("--surface");
    ctx.strokeText(text, x, y);
    ctx.fillStyle = color(ink);
    ctx.fillText(text, x, y);
  }
  ctx.restore();
}

function asTable(workday, weekend) {
  const range = (hour) => (hour?.median === null || hour === undefined ? "unknown" : `${measure(hour.median)} (${measure(hour.low)} to ${measure(hour.high)})`);
  return el("table", {},
    el("thead", {}, el("tr", {}, ["Hour", "Workdays, vehicles/h", "Weekends, vehicles/h"].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, workday.map((hour, i) => el("tr", {}, el("td", {}, clock(hour.hour)), el("td", {}, range(hour)), el("td", {}, range(weekend[i]))))));
}
