// What shows only over days: places where waste is dumped again and again, and emptyings that do not match.

import { get } from "./api.js";
import { el } from "./dom.js";
import { dayTime, number, plural } from "./format.js";

const SHOWN = 10;

/** Fill the panel; `onChoose(id)` opens a place. */
export async function patternsPanel(target, onChoose) {
  target.setAttribute("aria-busy", "true");
  if (!target.firstChild) target.append(el("p", { class: "quiet" }, "Adding up the last days…"));
  try {
    const [spots, emptyings] = await Promise.all([get("/v1/hot-spots"), get("/v1/emptyings")]);
    target.replaceChildren(
      el("h2", {}, "Where and when waste is dumped"), ...spotsPart(spots, onChoose),
      el("h2", {}, "Emptyings of three days that do not match"), ...emptyingsPart(emptyings, onChoose));
  } catch (error) {
    target.replaceChildren(el("p", { class: "error" }, error.message));
  }
  target.removeAttribute("aria-busy");
}

function spotsPart({ items, notWatched }, onChoose) {
  const blind = notWatched ? el("p", { class: "quiet" }, `${plural(notWatched, "place")} without a camera: of dumping there nothing is known.`) : "";
  if (!items.length) return [el("p", { class: "empty" }, "No dumping has been seen where a camera looks."), blind].filter(Boolean);
  return [
    el("p", { class: "quiet" }, "The surest first: rate a week with the range of four in five, then its worst hours."),
    el("ol", { class: "evidence" }, items.slice(0, SHOWN).map((spot) => el("li", {},
      el("p", {}, opens(spot.place, spot.name, onChoose), ` ${number(spot.perWeek, 1)} a week (${number(spot.low, 1)} to ${number(spot.high, 1)})`),
      el("p", { class: "quiet" }, `${plural(spot.dumpings, "dumping")} seen${spot.hours.length ? `; most ${spot.hours.map((hour) => `${hour.text} (${number(hour.seen)})`).join(", ")}` : ""}`)))),
    blind,
  ].filter(Boolean);
}

function emptyingsPart({ agreed, notObservable, claimedNotSeen, seenNotClaimed }, onChoose) {
  return [
    el("p", { class: "quiet" }, `Level and crew say the same of ${number(agreed)}; ${number(notObservable)} told where no level could be seen.`),
    ...mismatches("A crew told of it, but the level did not fall", claimedNotSeen, "No crew told of an emptying that the level does not show.", onChoose),
    ...mismatches("The level fell, but no crew told of it", seenNotClaimed, "No level fell of which no crew told.", onChoose),
  ];
}

function mismatches(title, items, none, onChoose) {
  if (!items.length) return [el("p", {}, none)];
  const rest = items.length - SHOWN;
  return [
    el("h3", {}, `${title}: ${number(items.length)}`),
    el("ul", { class: "evidence" }, items.slice(0, SHOWN).map((one) => el("li", {}, opens(one.container, one.name, onChoose), el("span", { class: "quiet" }, ` ${dayTime(one.at)}`))), rest > 0 ? el("li", { class: "quiet" }, `and ${number(rest)} earlier`) : ""),
  ];
}

function opens(id, name, onChoose) {
  return el("a", { href: `#place/${encodeURIComponent(id)}`, onclick: (event) => { event.preventDefault(); onChoose(id); } }, name.charAt(0).toUpperCase() + name.slice(1));
}
