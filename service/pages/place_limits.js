// A cluster: when nobody is sent there today and why, what drivers have taught, and a veto that somebody tells by phone.

import { get, post } from "./api.js";
import { remember, remembered } from "./decision_detail.js";
import { el } from "./dom.js";
import { clockTime, dayTime } from "./format.js";

const RENEW_MS = 4_000;
const SHOWN = 5;
const sections = new Map();

/** Why a place was not served, in words. */
export const VETO_WORDS = { blocked: "blocked", not_needed: "not needed", unsafe: "not safe", unknown: "no reason that is known" };

/** The section of a cluster; it stays the same element, so that nobody loses what he types in it. */
export function limitsSection(id) {
  const kept = sections.get(id) ?? made(id);
  sections.set(id, kept);
  if (Date.now() - kept.at > RENEW_MS) {
    kept.at = Date.now();
    get(path(id)).then(kept.show, (error) => kept.fail(error));
  }
  return kept.node;
}

const path = (id) => `/v1/clusters/${encodeURIComponent(id)}/limits`;

function made(id) {
  const body = el("div", { "aria-busy": "true" }, el("p", { class: "quiet" }, "Looking when trucks may come here…"));
  const show = (limits) => {
    body.removeAttribute("aria-busy");
    body.replaceChildren(...drawn(limits));
  };
  const fail = (error) => {
    sections.delete(id);
    body.removeAttribute("aria-busy");
    body.replaceChildren(el("p", { class: "error" }, error.message));
  };
  return { at: 0, show, fail, node: el("section", { class: "planner limits", "aria-label": "When nobody is sent here" }, body, vetoForm(id, show)) };
}

function drawn({ keptClear, learned, vetoes }) {
  return [
    el("h3", {}, "When nobody is sent here today"),
    keptClear.length
      ? el("ul", { class: "evidence" }, keptClear.map((one) => el("li", {}, `${span(one)}: ${one.text}`)))
      : el("p", { class: "empty" }, "Trucks may come at any time of their shifts."),
    el("h3", {}, "What drivers say"),
    el("p", {}, learned),
    vetoes.length ? el("ul", { class: "evidence" }, vetoes.slice(0, SHOWN).map((one) => el("li", {}, `${dayTime(one.at)}: ${VETO_WORDS[one.reason]}, says ${one.by}${one.note ? `: ${one.note}` : ""}`))) : "",
  ].filter(Boolean);
}

// An end of the day is written as the 24th hour: from 11:00 to 24:00.
function span({ begins, ends }) {
  const end = clockTime(ends);
  return `${clockTime(begins)} to ${end === "00:00" ? "24:00" : end}`;
}

// What a driver tells over the phone.
function vetoForm(id, show) {
  const reason = el("select", { id: "veto-reason" }, ["blocked", "not_needed", "unsafe"].map((one) => el("option", { value: one }, VETO_WORDS[one])));
  const truck = el("select", { id: "veto-truck" }, el("option", { value: "" }, "all trucks"));
  const by = el("input", { id: "veto-by", maxlength: 80, autocomplete: "name", value: remembered(), "aria-describedby": "veto-fault" });
  const note = el("input", { id: "veto-note", maxlength: 2000, autocomplete: "off" });
  const fault = el("p", { class: "error", id: "veto-fault", role: "alert", hidden: true });
  const done = el("p", { class: "quiet", role: "status" });
  const say = (text) => {
    fault.textContent = text;
    fault.hidden = !text;
    by.toggleAttribute("aria-invalid", Boolean(text) && !by.value.trim());
  };
  const button = el("button", { type: "button", id: "veto", onclick: async () => {
    if (!by.value.trim()) {
      say("Say who writes it down: the name is kept with it.");
      by.focus();
      return;
    }
    say("");
    done.textContent = "";
    button.disabled = true;
    remember(by.value.trim());
    try {
      show(await post(`/v1/clusters/${encodeURIComponent(id)}/vetoes`, { reason: reason.value, truck: truck.value, by: by.value.trim(), note: note.value.trim() }));
      note.value = "";
      done.textContent = `Written down. ${reason.value === "blocked" ? "Its stop leaves the round; a later try is proposed." : "Its stop leaves the rounds of today."}`;
    } catch (error) {
      say(error.message);
    }
    button.disabled = false;
  } }, "Write veto down");
  const form = el("details", {}, el("summary", {}, "A driver phones: this stop was not done"),
    el("div", { class: "decision" },
      el("p", { class: "field" }, el("label", { for: "veto-reason" }, "It was"), reason, el("label", { for: "veto-truck" }, "for"), truck),
      el("p", { class: "field" }, el("label", { for: "veto-note" }, "Note (optional)"), note),
      el("p", { class: "field" }, el("label", { for: "veto-by" }, "Written down by"), by),
      fault,
      el("div", { class: "actions" }, button),
      done));
  form.addEventListener("toggle", async () => {
    if (!form.open || truck.options.length > 1) return;
    const [{ trucks }, { rounds }] = await Promise.all([get("/v1/trucks").catch(() => ({ trucks: [] })), get("/v1/plans/current").catch(() => ({ rounds: [] }))]);
    if (truck.options.length > 1) return;
    truck.append(...trucks.map((one) => el("option", { value: one.id }, one.name)));
    // Who phones is most often the driver who was to stop here.
    truck.value = rounds.find((round) => round.stops.some((stop) => stop.job && stop.place === id && !stop.done))?.truck ?? "";
  });
  return form;
}
