// How values are written: with their unit, their age, and "unknown" where nothing is known.

let zone = "UTC";

/** Write local times of this IANA time zone from now on. */
export function useTimeZone(name) {
  zone = name;
}

/** The IANA time zone that times are written in. */
export const timeZone = () => zone;

/** "07:42" in the city's time zone. */
export function clockTime(isoOrMs) {
  return new Date(isoOrMs).toLocaleTimeString("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
}

/** "Mon 2 Mar" in the city's time zone. */
export function day(isoOrMs) {
  return new Date(isoOrMs).toLocaleDateString("en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short" }).replace(",", "");
}

/** "Mon 2 Mar 07:42" in the city's time zone. */
export const dayTime = (isoOrMs) => `${day(isoOrMs)} ${clockTime(isoOrMs)}`;

/** "40 s", "12 min", "3.0 h", "2 days": how long ago, or how long something takes. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "unknown";
  const s = Math.abs(seconds);
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${(s / 3600).toFixed(s < 36000 ? 1 : 0)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** A number: 9000 → "9,000". */
export function number(value, digits = 0) {
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A value with its unit; null is said to be unknown. */
export function measure(value, unit = "", digits = 0) {
  if (value === null || value === undefined) return "unknown";
  return `${number(value, digits)}${unit ? " " + unit : ""}`;
}

/** A ratio as a percentage: 0.834 → "83 %". */
export function percent(ratio) {
  return ratio === null || ratio === undefined ? "unknown" : `${Math.round(ratio * 100)} %`;
}

/** "+2.1 km", "−9 min": a difference with its sign; one that rounds to nothing is "no change". */
export function signed(value, unit, digits = 1) {
  const text = number(Math.abs(value), digits);
  if (Number(text.replaceAll(",", "")) === 0) return "no change";
  return `${value > 0 ? "+" : "−"}${text} ${unit}`;
}

/** "3 things" / "1 thing". */
export function plural(count, one, many = one + "s") {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** "A", "A and B", "A, B and C". */
export function listing(names) {
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** "bulky-waste" or "bulkyWaste" → "bulky waste". */
export function words(text) {
  return String(text).replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[-_]/g, " ").toLowerCase();
}

/** "grab truck" → "Grab truck". */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
