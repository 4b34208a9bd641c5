// A trend with its normal band, thresholds and forecast, and the same figures as a table.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { el } from "./dom.js";
import { clockTime, dayTime, measure } from "./format.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const timeLabels = (_, splits) => {
  const span = splits.at(-1) - splits[0];
  return splits.map((s) => (span > 86400 ? dayTime(s * 1000).replace(/ \d\d:\d\d$/, "") : clockTime(s * 1000)));
};

/**
 * Draw `trend` as /v1/trends gives it. `shown(value)` turns a value into what is drawn (a ratio into per cent), `unit` its unit.
 * Charts with the same `group` share their cursor and their time axis.
 */
export function trendChart({ title, trend, unit, shown = (v) => v, digits = 0, group, range }) {
  const plotted = el("div", { class: "plot" });
  const readout = el("p", { class: "chart-readout" });
  const table = el("div", { class: "scroll", hidden: true });
  const toggle = el("button", { type: "button", "aria-expanded": "false", onclick: () => {
    table.hidden = !table.hidden;
    plotted.hidden = !table.hidden;
    toggle.textContent = table.hidden ? "As table" : "As chart";
    toggle.setAttribute("aria-expanded", String(!table.hidden));
    if (!table.hidden) table.replaceChildren(asTable(trend, unit, shown, digits));
  } }, "As table");
  const figure = el("figure", { class: "chart" }, el("figcaption", {}, el("span", {}, `${title} (${unit})`), toggle), plotted, readout, table);

  const known = trend.points.filter(([, value]) => value !== null);
  if (!known.length) {
    plotted.replaceChildren(el("p", { class: "empty" }, "Nothing is known here for this time: no reading arrived."));
    toggle.hidden = true;
    return figure;
  }
  readout.textContent = `Latest: ${measure(shown(known.at(-1)[1]), unit, digits)} at ${dayTime(known.at(-1)[0])}`;
  // The width is known only when the figure stands in the page.
  requestAnimationFrame(() => {
    const plot = draw(plotted, trend, unit, shown, digits, group, range, readout);
    new ResizeObserver(() => plotted.clientWidth && plot.setSize({ width: plotted.clientWidth, height: 200 })).observe(plotted);
  });
  return figure;
}

function draw(target, trend, unit, shown, digits, group, range, readout) {
  const value = (v) => (v === null || v === undefined ? null : shown(v));
  const forecast = trend.forecast ?? [];
  const times = [...trend.points.map(([ms]) => ms / 1000), ...forecast.map(([ms]) => ms / 1000)];
  const pad = (list, before, after) => [...Array(before).fill(null), ...list, ...Array(after).fill(null)];
  const count = trend.points.length;
  const measured = pad(trend.points.map(([, v]) => value(v)), 0, forecast.length);
  const normalLow = pad((trend.normal?.low ?? []).map(([, v]) => value(v)), 0, 0);
  const normalHigh = pad((trend.normal?.high ?? []).map(([, v]) => value(v)), 0, 0);
  const thresholds = trend.thresholds ?? [];

  const series = [{}, { label: "measured", stroke: color("--accent"), width: 2, spanGaps: false, points: { size: 4 } }];
  const data = [times, measured];
  const bands = [];
  if (forecast.length) {
    data.push(pad(forecast.map(([, level]) => value(level)), count, 0), pad(forecast.map(([, , , high]) => value(high)), count, 0), pad(forecast.map(([, , low]) => value(low)), count, 0));
    series.push({ label: "forecast", stroke: color("--accent"), width: 2, dash: [4, 4], points: { show: false } }, { stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
    bands.push({ series: [3, 4], fill: color("--band") });
  }
  if (normalLow.length === count && normalHigh.length === count && count) {
    const first = series.length;
    data.push(pad(normalHigh, 0, forecast.length), pad(normalLow, 0, forecast.length));
    series.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
    bands.push({ series: [first, first + 1], fill: color("--band") });
  }
  const named = { hooks: { draw: [(u) => {
    const { ctx } = u;
    ctx.save();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    for (const threshold of thresholds) {
      const y = Math.round(u.valToPos(shown(threshold.value), "y", true));
      if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
      ctx.strokeStyle = ctx.fillStyle = color("--watch");
      ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(u.bbox.left, y);
      ctx.lineTo(u.bbox.left + u.bbox.width, y);
      ctx.stroke();
      ctx.fillText(threshold.name, u.bbox.left + 4 * devicePixelRatio, y - 4 * devicePixelRatio);
    }
    ctx.restore();
  }] } };
  const axis = { stroke: color("--ink-quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") }, font: "12px system-ui, sans-serif" };
  const latest = readout.textContent;
  return new uPlot({
    width: target.clientWidth || 320,
    height: 200,
    series,
    bands,
    plugins: [named],
    scales: { y: { range: (u, low, high) => range ?? [Math.min(0, low), (high || 1) * 1.1] } },
    axes: [{ ...axis, values: timeLabels, space: 70 }, { ...axis, size: 48 }],
    cursor: { sync: group ? { key: group } : undefined, drag: { x: true, y: false } },
    legend: { show: false },
    hooks: { setCursor: [(u) => {
      const i = u.cursor.idx;
      if (i === null || i === undefined) readout.textContent = latest;
      else if (i < count) readout.textContent = `${measure(measured[i], unit, digits)} at ${dayTime(times[i] * 1000)}`;
      else readout.textContent = `Forecast ${measure(data[2][i], unit, digits)} (${measure(data[4][i], "", digits)} to ${measure(data[3][i], unit, digits)}) at ${dayTime(times[i] * 1000)}`;
    }] },
  }, data, target);
}

function asTable(trend, unit, shown, digits) {
  const row = (ms, text, note) => el("tr", {}, el("td", {}, dayTime(ms)), el("td", { class: "number" }, text), el("td", {}, note));
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", {}, "Time"), el("th", { class: "number" }, unit), el("th", {}, ""))),
    el("tbody", {},
      [...trend.points].reverse().slice(0, 500).map(([ms, v]) => row(ms, measure(v === null ? null : shown(v), "", digits), "measured")),
      (trend.forecast ?? []).map(([ms, level, low, high]) => row(ms, measure(shown(level), "", digits), `forecast, ${measure(shown(low), "", digits)} to ${measure(shown(high), "", digits)}`))));
}
