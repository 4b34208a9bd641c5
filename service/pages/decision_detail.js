// What a person decides on: an incident, and the form in which a decision is given.

import { get, post } from "./api.js";
import { badge, el, facts } from "./dom.js";
import { entityDetail } from "./entity_detail.js";
import { clockTime, dayTime, duration, percent, words } from "./format.js";

/** What became of an incident or a proposal, in words. */
export const STATUS_WORDS = { open: "Waits for you", accepted: "Accepted", rejected: "Rejected", superseded: "Replaced by a newer proposal", confirmed: "Confirmed", dismissed: "Dismissed", closed: "Over" };
const NAME_KEY = "ronde-name";

/**
 * An incident: its cause and evidence, and the two answers to it.
 * `follow` has the page's answers: `place(id)` and `incident(id)` open one, `done(message)` follows a decision.
 */
export async function incidentDetail(id, follow) {
  const path = `/v1/incidents/${encodeURIComponent(id)}`;
  const one = await get(path);
  const at = one.place ? await entityDetail(one.place, follow.place, follow.incident) : null;
  const decide = (decision, said) => (button, by, note) => post(`${path}/decision`, { decision, by, note }).then(() => follow.done(said));
  const status = badge(one.status === "open" && !one.clearedAt ? one.urgency : "none", STATUS_WORDS[one.status]);
  const choices = one.status === "open"
    ? [{ id: "confirm", text: "Confirm incident", primary: true, act: decide("confirm", "Incident confirmed.") }, { id: "dismiss", text: "Dismiss incident", act: decide("dismiss", "Incident dismissed.") }]
    : one.status === "confirmed" && !one.clearedAt ? [{ id: "close-incident", text: "Close incident", act: decide("close", "Incident closed.") }] : [];
  const answer = el("div", { class: "answer" }, choices.length ? decisionForm(choices, { label: "Note (optional)" }) : "", decided(one, one.note));
  return {
    title: one.title, lon: one.lon, lat: one.lat, about: at?.about ?? [],
    refresh: async () => {
      const now = await get(path);
      if (now.status !== one.status) settle(now, answer, status, (settled) => decided(settled, settled.note));
    },
    body: [
      el("p", {}, status, one.causeText ? ` cause: ${one.causeText}` : ""),
      facts([
        ["Since", dayTime(one.raisedAt)],
        ["Lasted", one.clearedAt ? `${duration(one.ageS)}, over at ${clockTime(one.clearedAt)}` : `${duration(one.ageS)} so far`],
        ["How sure", percent(one.probability)],
      ]),
      el("h3", {}, "Evidence"),
      one.evidence.length
        ? el("ul", { class: "evidence" }, one.evidence.map((e) => el("li", {}, e.text, e.at ? el("span", { class: "quiet" }, ` ${clockTime(e.at)}`) : "")))
        : el("p", { class: "empty" }, "No evidence was kept."),
      one.notObservable ? el("p", { class: "empty unknown" }, one.notObservable) : "",
      answer,
      ...(at ? [
        el("h3", {}, "What the sensors say there"),
        el("p", {}, el("a", { href: `#place/${encodeURIComponent(one.place)}`, onclick: (event) => { event.preventDefault(); follow.place(one.place); } }, at.title)),
        ...at.body,
      ] : []),
    ],
  };
}

/**
 * Who decides, why, and the buttons. What is sent cannot be taken back, so a press needs all that it stands for to be there:
 * `refuses()` says why it is not, if it is not. `extra` is what else there is to say.
 */
export function decisionForm(choices, { label, extra = "", refuses = () => "" }) {
  const by = el("input", { id: "by", name: "by", maxlength: 80, autocomplete: "name", value: remembered(), "aria-describedby": "decision-fault" });
  const reason = el("textarea", { id: "reason", maxlength: 2000, rows: 2, "aria-describedby": "decision-fault" });
  const fault = el("p", { class: "error", id: "decision-fault", role: "alert", hidden: true });
  const say = (text, field) => {
    fault.textContent = text;
    fault.hidden = !text;
    for (const one of [by, reason]) one.toggleAttribute("aria-invalid", one === field);
    field?.focus();
  };
  const buttons = choices.map((choice) => el("button", { type: "button", id: choice.id, class: choice.primary ? "primary" : undefined, onclick: async ({ currentTarget }) => {
    if (!by.value.trim()) return say("Say who decides: the name is kept with the decision.", by);
    if (choice.needsReason && !reason.value.trim()) return say("Say why: a rejection is kept with its reason.", reason);
    const refusal = refuses();
    if (refusal) return say(refusal);
    say("");
    remember(by.value.trim());
    for (const button of buttons) button.disabled = true;
    try {
      await choice.act(currentTarget, by.value.trim(), reason.value.trim());
    } catch (error) {
      say(error.message);
    }
    for (const button of buttons) button.disabled = false;
  } }, choice.text));
  return el("div", { class: "decision" },
    el("p", { class: "field" }, el("label", { for: "by" }, "Decided by"), by),
    el("p", { class: "field" }, el("label", { for: "reason" }, label), reason),
    extra,
    fault,
    el("div", { class: "actions" }, buttons));
}

/** Who decided what, when and why; nothing of what is open. */
export function decided(one, note) {
  if (one.status === "open" || !one.decidedAt) return "";
  return el("p", { class: "outcome" }, `${STATUS_WORDS[one.status] ?? words(one.status)}${one.decidedBy && one.status !== "superseded" ? ` by ${one.decidedBy}` : ""}${one.decidedAt ? ` at ${clockTime(one.decidedAt)}` : ""}${note ? `: ${note}` : "."}`);
}

/** Somebody else, or the planner, has settled it meanwhile. Only the answer is changed: nobody reads on in a text that jumped away. */
export function settle(now, answer, status, outcome) {
  if (!answer.isConnected) return;
  const hadFocus = answer.contains(document.activeElement);
  const note = el("div", { tabindex: "-1", role: "status" }, outcome(now));
  answer.replaceChildren(note);
  status.textContent = STATUS_WORDS[now.status];
  status.dataset.state = "none";
  if (hadFocus) note.focus({ preventScroll: true });
}

/** The name under which somebody decided last. */
export function remembered() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "dispatcher";
  } catch {
    return "dispatcher";
  }
}

/** Keep the name of whoever decides. */
export function remember(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // A browser that keeps nothing asks again.
  }
}
