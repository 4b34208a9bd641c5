// The map without WebGL: the server's picture, and on it what was chosen.

import { draw, el } from "./dom.js";
import { EMPTY } from "./geojson.js";

const RENEW_MS = 15_000;
const REACH_PX = 20;

/** Make the map; see `makeMap`. */
export function pictureMap(target, bounds, onChoose) {
  const project = projection(bounds);
  const image = el("img", { alt: "Map of the city; the lists hold the same places in words.", src: "/v1/map.svg" });
  const overlay = draw("svg", { viewBox: `0 0 ${project.width} ${project.height}`, class: "overlay", "aria-hidden": "true" });
  const note = el("p", { class: "map-note" }, "This browser draws no live map: WebGL 2 is off. The picture is renewed every 15 seconds. ", el("a", { href: "/v1/map.svg", target: "_blank" }, "Open it alone"));
  target.replaceChildren(image, overlay, note);
  setInterval(() => renew(image), RENEW_MS);

  const shown = { places: EMPTY, trucks: EMPTY, before: EMPTY, after: EMPTY, stops: EMPTY, chosen: null };
  const redraw = () => overlay.replaceChildren(
    ...lines(shown.before, project, "before"), ...lines(shown.after, project, "after"), ...numbers(shown.stops, project),
    ...(shown.chosen ? [draw("circle", { class: "chosen", cx: shown.chosen[0], cy: shown.chosen[1], r: 14 })] : []));
  overlay.addEventListener("click", (event) => {
    const scale = overlay.getScreenCTM();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(scale.inverse());
    const near = [...shown.places.features, ...shown.trucks.features]
      .filter((f) => !["depot", "unloading-site"].includes(f.properties.kind))
      .map((f) => ({ id: f.properties.id, far: Math.hypot(project(f.geometry.coordinates)[0] - at.x, project(f.geometry.coordinates)[1] - at.y) * scale.a }))
      .sort((a, b) => a.far - b.far)[0];
    if (near?.far < REACH_PX) onChoose(near.id);
  });
  return {
    places: (collection) => (shown.places = collection),
    trucks: (collection) => (shown.trucks = collection),
    rounds: () => {},
    look: ({ before, after, stops, lon, lat } = {}) => {
      const chosen = typeof lon === "number" && typeof lat === "number" ? project([lon, lat]) : null;
      Object.assign(shown, { before: before ?? EMPTY, after: after ?? EMPTY, stops: stops ?? EMPTY, chosen });
      redraw();
    },
  };
}

// A picture that does not come leaves the one that is there.
function renew(image) {
  const next = new Image();
  next.onload = () => (image.src = next.src);
  next.src = `/v1/map.svg?at=${Date.now()}`;
}

// As the server projects it (service/map_svg.py), so that what is drawn here falls on what is drawn there.
function projection([west, south, east, north]) {
  const margin = 24;
  const width = 1000;
  const squeeze = Math.cos(((south + north) / 2) * (Math.PI / 180));
  const wide = Math.max((east - west) * squeeze, 1e-6);
  const tall = Math.max(north - south, 1e-6);
  const height = width * Math.min(Math.max(tall / wide, 0.5), 1.5);
  const scale = Math.min((width - 2 * margin) / wide, (height - 2 * margin) / tall);
  const left = (width - wide * scale) / 2;
  const top = (height - tall * scale) / 2;
  return Object.assign(([lon, lat]) => [left + (lon - west) * squeeze * scale, top + (north - lat) * scale], { width, height: Math.round(height) });
}

function lines(collection, project, name) {
  return collection.features.map((f) => draw("path", { class: name, d: `M${f.geometry.coordinates.map((c) => project(c).map((v) => v.toFixed(1)).join(" ")).join("L")}` }));
}

function numbers(collection, project) {
  return collection.features.flatMap((f) => {
    const [x, y] = project(f.geometry.coordinates);
    const { n, change } = f.properties;
    if (change === "same") return [draw("circle", { class: "stop same", cx: x, cy: y, r: 4 })];
    return [draw("circle", { class: `stop ${change}`, cx: x, cy: y, r: 9 }), draw("text", { class: change, x, y: y + 4 }, n)];
  });
}
