// For the traffic planner: the usual day and week of a place, its figures, and what would relieve a junction.

import { get } from "./api.js";
import { trendChart } from "./chart.js";
import { badge, el } from "./dom.js";
import { capital, listing, measure, number, percent, plural } from "./format.js";
import { profileChart } from "./profile_chart.js";

// What was made of a year of counts does not change from one live event to the next.
const KEPT_MS = 10 * 60_000;
const LONG_WEEKS = 10;
const TITLES = {
  AADT: "Average day of the year (AADT)",
  K30: "K30: 30th highest hour / average day",
  K100: "K100: 100th highest hour / average day",
  D: "D: share of the busier direction",
  "peak hour factor": "Peak hour factor (PHF)",
};
const sections = new Map();

/** The planner's part of an approach's page, or of a junction's (`hasSignal` says whether green can be divided). */
export function plannerSection(id, { isJunction = false, hasSignal = false } = {}) {
  const kept = sections.get(id);
  if (kept && Date.now() - kept.at < KEPT_MS) return kept.node;
  const node = el("section", { class: "planner", "aria-label": "For the planner" });
  sections.set(id, { node, at: Date.now() });
  fill(node, id, { isJunction, hasSignal });
  return node;
}

async function fill(node, id, look, year) {
  const chose = node.contains(document.activeElement);
  const path = `/v1/traffic/${encodeURIComponent(id)}`;
  const query = year ? `?year=${year}` : "";
  node.setAttribute("aria-busy", "true");
  if (!node.firstChild) node.append(el("h3", {}, "For the planner"), el("p", { class: "quiet" }, "Adding up what was counted…"));
  try {
    const [figures, profile, relief] = await Promise.all([
      get(`${path}/figures${query}`),
      get(`${path}/profile${query}`),
      look.isJunction && look.hasSignal ? get(`${path}/relief${query}`) : null,
    ]);
    node.replaceChildren(...[
      el("h3", {}, "For the planner"),
      period(figures, year, (chosen) => fill(node, id, look, chosen)),
      relief ? reliefPart(relief, path, query) : "",
      ...charts(profile),
      el("h4", {}, "Figures"),
      el("ul", { class: "figures" }, figures.figures.map(figure)),
      changePart(path, figures.period),
      el("p", {}, el("a", { href: `${path}/counts.csv`, download: `${id}.csv` }, "Download the hourly counts (CSV)")),
    ].flat().filter(Boolean));
    if (chose) node.querySelector("#figures-year")?.focus({ preventScroll: true });
  } catch (error) {
    sections.delete(id);
    node.replaceChildren(el("h3", {}, "For the planner"), el("p", { class: "error" }, error.message));
  }
  node.removeAttribute("aria-busy");
}

function period({ period: of, years }, year, choose) {
  if (!of.firstDay) return el("p", { class: "quiet" }, "Nothing was ever counted here.");
  const said = `${of.firstDay} to ${of.lastDay}: ${plural(of.wholeDays, "whole day")} of ${number(of.days)}, ${measured(of.completeness).toLowerCase()} of the hours are known.`;
  const select = years.length < 2 ? "" : el("p", { class: "field" },
    el("label", { for: "figures-year" }, "Period"),
    el("select", { id: "figures-year", onchange: (event) => choose(event.target.value) },
      el("option", { value: "" }, "the latest year"),
      years.map((one) => el("option", { value: one, selected: String(one) === String(year ?? "") }, one))));
  return el("div", {}, el("p", { class: "quiet" }, said), select);
}

function charts(profile) {
  const parts = [profileChart({ title: "The usual day", workday: profile.workday, weekend: profile.weekend, refusal: profile.refusals[0] })];
  if (profile.week.some(([, value]) => value !== null)) {
    parts.push(trendChart({ title: "The latest seven days counted, by hour", trend: { points: profile.week, normal: profile.normal }, unit: "vehicles/h", hatched: true }));
  }
  if (profile.weekdays.length) parts.push(weekdays(profile.weekdays));
  const isLong = profile.weeks.length > LONG_WEEKS;
  const points = isLong ? profile.weeks : profile.days;
  if (points.filter(([, value]) => value !== null).length > 1) {
    parts.push(trendChart({ title: isLong ? "Mean workday, week by week" : "Vehicles per day", trend: { points }, unit: "vehicles", hatched: true, byDay: true }));
  }
  return parts;
}

function weekdays(list) {
  const most = Math.max(...list.map((one) => one.mean ?? 0), 1);
  return el("details", {}, el("summary", {}, "Mean day of the week"),
    el("table", {},
      el("thead", {}, el("tr", {}, ["Day", "Vehicles/day", "95 % sure", "Days"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, list.map((one) => el("tr", {},
        el("th", { scope: "row" }, one.name),
        el("td", {}, measure(one.mean), one.mean === null ? "" : el("meter", { min: 0, max: most, value: one.mean, "aria-hidden": "true" })),
        el("td", {}, one.mean === null ? "too few days" : `${measure(one.low)} to ${measure(one.high)}`),
        el("td", {}, number(one.days)))))));
}

function figure(one) {
  if (one.kind === "refusal") {
    return el("li", { class: "refused" }, el("span", { class: "name" }, titleOf(one)), badge("unknown", "too little data"), el("p", { class: "quiet" }, one.text));
  }
  const digits = figureDigits(one);
  const [low, value, high] = [one.low, one.value, one.high].map((v) => measure(v, "", digits));
  const range = one.low === null || (low === value && high === value) ? "" : `${low} to ${high}, ${percent(one.confidence)} sure. `;
  return el("li", {},
    el("span", { class: "name" }, titleOf(one)),
    el("strong", { class: "value" }, measure(one.value, one.unit, digits)),
    el("p", { class: "quiet" }, `${range}${measured(one.completeness)} measured: ${one.basis}.`),
    el("details", {}, el("summary", {}, "How it is made"), el("p", { class: "quiet" }, `${capital(one.method)}. ${one.notes.join(" ")}`)));
}

const titleOf = (one) => TITLES[one.name] ?? capital(one.name);
// What is not whole is not rounded to whole.
const measured = (ratio) => (ratio < 1 && ratio > 0.99 ? "Over 99 %" : percent(ratio));
const figureDigits = (one) => (Math.abs(one.value) >= 100 ? 0 : one.unit ? 1 : 3);

function reliefPart(relief, path, query) {
  const target = el("div", { class: "relief" });
  drawRelief(target, relief, path, query, "");
  return [el("h4", {}, "Relief"), target];
}

function drawRelief(target, relief, path, query, message) {
  if (relief.refusal) {
    target.replaceChildren(el("p", { class: "empty unknown" }, relief.refusal));
    return;
  }
  target.replaceChildren(
    el("p", { class: "outcome" }, relief.summary, relief.isTimingAssumed ? el("span", { class: "quiet" }, " Give the timing that runs now below, and this is about that.") : ""),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Plans of the day" }, planTable(relief)),
    ...relief.plans.map((plan) => el("details", {}, el("summary", {}, `${span(plan)}, by approach`), el("p", { class: "quiet" }, plan.sentence), greenTable(plan))),
    timingForm(target, relief, path, query, message),
    el("p", { class: "quiet" }, `Assumed: ${listing(relief.assumed)}. Delay after the Highway Capacity Manual; the interval is 90 % sure: of how ${plural(relief.days, "workday")} differ, and of a saturation flow that may be 8 % off.`));
}

const span = (plan) => `${String(plan.fromHour).padStart(2, "0")}–${String(plan.untilHour).padStart(2, "0")} h`;
const service = (level, delayS) => [badge(level === "E" || level === "F" ? "urgent" : level === "D" ? "watch" : "ok", level), ` ${measure(delayS, "s")}`];

const both = (now, then) => [el("span", { class: "now" }, "now ", now), el("span", { class: "then" }, "then ", then)];

function planTable(relief) {
  const greens = (plan, name) => relief.phases.map((phase) => number(plan.approaches.find((one) => phase.includes(one.name))[name])).join(" + ");
  return el("table", { class: "plans" },
    el("caption", { class: "quiet" }, `Workdays. Green in seconds, in the order ${listing(relief.phases.map((phase) => phase.join(" and ")))}.`),
    el("thead", {}, el("tr", {}, ["Hours", "Cycle: green", "Delay", "Saves per vehicle"].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, relief.plans.map((plan) => el("tr", {},
      el("th", { scope: "row" }, span(plan)),
      el("td", {}, both(`${number(plan.cycleNowS)}: ${greens(plan, "greenNowS")}`, plan.isWorthIt ? `${number(plan.cycleThenS)}: ${greens(plan, "greenThenS")}` : "the same")),
      el("td", {}, both(service(plan.levelNow, plan.delayNowS), plan.isWorthIt ? service(plan.levelThen, plan.delayThenS) : "the same")),
      el("td", {}, plan.isWorthIt ? [el("strong", {}, `${number(plan.savingS)} s`), ` (${number(plan.savingLowS)} to ${number(plan.savingHighS)})`] : "nothing shown", plan.isOversaturated ? [" ", badge("urgent", "full")] : "")))));
}

function greenTable(plan) {
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Approaches ${span(plan)}` }, el("table", { class: "plans" },
    el("thead", {}, el("tr", {}, ["Approach", "Vehicles/h", "v/c at most", "Delay"].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, plan.approaches.map((one) => el("tr", {},
      el("th", { scope: "row", class: "long" }, one.name),
      el("td", {}, number(one.flow)),
      el("td", {}, both(number(one.saturationNow, 2), number(one.saturationThen, 2))),
      el("td", {}, both(service(one.levelNow, one.delayNowS), service(one.levelThen, one.delayThenS))))))));
}

function timingForm(target, relief, path, query, message) {
  const field = (id, label, value) => el("p", { class: "field" }, el("label", { for: id }, label), el("input", { id, type: "number", min: "1", max: "600", step: "1", value, inputmode: "numeric", required: true }));
  const fault = el("p", { class: "error", role: "alert" }, message);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    const values = [...form.querySelectorAll("input")].map((input) => Number(input.value));
    const [cycle, ...greens] = values;
    const sum = greens.reduce((a, b) => a + b, 0);
    if (sum >= cycle) {
      fault.textContent = `Greens of ${number(sum)} s do not fit in a cycle of ${number(cycle)} s: between them some seconds are lost.`;
      form.querySelector("input").focus();
      return;
    }
    const asked = new URLSearchParams(query);
    asked.set("cycleS", cycle);
    for (const green of greens) asked.append("greenS", green);
    form.querySelector("button").disabled = true;
    try {
      drawRelief(target, await get(`${path}/relief?${asked}`), path, query, "");
    } catch (error) {
      drawRelief(target, relief, path, query, error.message);
    }
    target.querySelector("details.timing").open = true;
    target.querySelector("details.timing button").focus({ preventScroll: true });
  };
  return el("details", { class: "timing" }, el("summary", {}, relief.isTimingAssumed ? "Give the timing that runs now" : "The timing that runs now, as you gave it"),
    el("form", { class: "decision", onsubmit: submit },
      field("timing-cycle", "Cycle, s", relief.cycleS),
      relief.phases.map((phase, i) => field(`timing-green-${i}`, `Green for ${phase.join(" and ")}, s`, relief.greenS[i])),
      fault,
      el("div", { class: "actions" }, el("button", { type: "submit" }, "Compare with this timing"))));
}

function changePart(path, of) {
  if (!of.firstDay) return "";
  const outcome = el("div", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    const on = event.target.querySelector("input").value;
    try {
      outcome.replaceChildren(el("ul", { class: "figures" }, figure(await get(`${path}/change?on=${encodeURIComponent(on)}`))));
    } catch (error) {
      outcome.replaceChildren(el("p", { class: "error" }, error.message));
    }
  };
  return el("details", { class: "change" }, el("summary", {}, "Before and after a measure"),
    el("form", { class: "decision", onsubmit: submit },
      el("p", { class: "field" }, el("label", { for: "change-on" }, "First day of the measure"), el("input", { id: "change-on", type: "date", min: of.firstDay, max: of.lastDay, required: true })),
      el("div", { class: "actions" }, el("button", { type: "submit" }, "Compare eight weeks before and after"))),
    outcome);
}
