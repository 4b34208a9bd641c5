// The live map: quiet streets, signs by state, trucks and rounds.

import { get } from "./api.js";
import { el } from "./dom.js";
import { EMPTY } from "./geojson.js";
import { signPictures } from "./signs.js";

const CLICK_REACH_PX = 14;
// Below this zoom the numbers of a whole day's stops would lie on one another; those that change are shown always.
const NUMBERS_FROM_ZOOM = 13.5;
const START_LIMIT_MS = 15_000;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Make the map; see `makeMap`. Fails where WebGL 2 is there in name only. */
export async function liveMap(target, bounds, onChoose) {
  const maplibre = await import("./vendor/maplibre-gl/maplibre-gl.mjs");
  maplibre.setWorkerUrl(new URL("./vendor/maplibre-gl/maplibre-gl-worker.mjs", import.meta.url).href);
  const style = { version: 8, transition: { duration: 0, delay: 0 }, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": color("--ground") } }] };
  const map = new maplibre.Map({ container: target, style, bounds, fitBoundsOptions: { padding: 24 }, attributionControl: false, dragRotate: false, pitchWithRotate: false, fadeDuration: 0 });
  try {
    await started(map);
  } catch (error) {
    map.remove();
    throw error;
  }
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl(), "bottom-right");
  map.getCanvas().setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom; the lists hold every place in words.");

  const data = { streets: EMPTY, rounds: EMPTY, before: EMPTY, after: EMPTY, chosen: EMPTY, places: EMPTY, stops: EMPTY, trucks: EMPTY };
  const set = (name, value) => {
    data[name] = value;
    map.getSource(name).setData(value);
  };
  for (const [name, image] of signPictures()) map.addImage(name, image, { pixelRatio: 2 });
  for (const name of Object.keys(data)) map.addSource(name, { type: "geojson", data: EMPTY });
  for (const layer of layers()) map.addLayer(layer);
  loadStreets(map, maplibre, set);
  const dress = () => {
    for (const [name, image] of signPictures()) map.updateImage(name, image);
    map.setPaintProperty("ground", "background-color", color("--ground"));
    for (const { id, paint } of layers()) for (const [key, value] of Object.entries(paint ?? {})) if (key.endsWith("color")) map.setPaintProperty(id, key, value);
  };
  dark.addEventListener("change", dress);
  choosing(map, onChoose);
  printing(map, target, dress);

  let away = null;
  return {
    places: (collection) => set("places", collection),
    trucks: (collection) => set("trucks", collection),
    rounds: (collection) => set("rounds", collection),
    // The panel beside the map may just have opened: what is looked at is fitted into the map's new size.
    look: ({ before, after, stops, lon, lat, stay } = {}) => {
      map.resize();
      const isPlace = typeof lon === "number" && typeof lat === "number";
      set("before", before ?? EMPTY);
      set("after", after ?? EMPTY);
      set("stops", stops ?? EMPTY);
      set("chosen", isPlace ? { type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [lon, lat] } } : EMPTY);
      map.setPaintProperty("rounds", "line-opacity", after ? 0.15 : 0.45);
      map.setPaintProperty("places", "icon-opacity", after ? ["match", ["get", "state"], "urgent", 1, 0.35] : 1);
      if (stay) return;
      const points = [before, after].flatMap((c) => c?.features ?? []).flatMap((f) => f.geometry.coordinates);
      if (points.length > 1 || isPlace) away ??= { center: map.getCenter(), zoom: map.getZoom() };
      if (points.length > 1) map.fitBounds(points.reduce((b, p) => b.extend(p), new maplibre.LngLatBounds(points[0], points[0])), { padding: 40, maxZoom: 15, animate: !still.matches });
      else if (isPlace) map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 14), animate: !still.matches });
      else if (away) {
        map.easeTo({ ...away, animate: !still.matches });
        away = null;
      }
    },
  };
}

function started(map) {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("It took too long.")), START_LIMIT_MS);
    map.once("load", resolve);
    map.once("error", ({ error }) => reject(error));
  });
}

async function loadStreets(map, maplibre, set) {
  try {
    const streets = await get("/v1/streets");
    set("streets", streets);
    if (streets.attribution) map.addControl(new maplibre.AttributionControl({ compact: true, customAttribution: streets.attribution }));
  } catch {
    // Without streets the signs still stand where they are; ask again.
    setTimeout(() => loadStreets(map, maplibre, set), 5_000);
  }
}

function choosing(map, onChoose) {
  const near = ({ x, y }) => map.queryRenderedFeatures([[x - CLICK_REACH_PX, y - CLICK_REACH_PX], [x + CLICK_REACH_PX, y + CLICK_REACH_PX]], { layers: ["places", "trucks"] })
    .filter((f) => !["depot", "unloading-site"].includes(f.properties.kind))
    .map((feature) => ({ feature, at: map.project(feature.geometry.coordinates) }))
    .sort((a, b) => Math.hypot(a.at.x - x, a.at.y - y) - Math.hypot(b.at.x - x, b.at.y - y))[0]?.feature;
  map.on("click", ({ point }) => {
    const feature = near(point);
    if (feature) onChoose(feature.properties.id);
  });
  for (const layer of ["places", "trucks"]) {
    map.on("mouseenter", layer, ({ features }) => Object.assign(map.getCanvas(), { title: features[0].properties.name }).style.cursor = "pointer");
    map.on("mouseleave", layer, () => Object.assign(map.getCanvas(), { title: "" }).style.cursor = "");
  }
}

// A canvas of WebGL is empty when the printer asks for it: what it shows is kept as a picture, in the colours of paper.
function printing(map, target, dress) {
  const picture = el("img", { class: "print-map", alt: "Map of the city", hidden: true });
  target.append(picture);
  const root = document.documentElement;
  addEventListener("beforeprint", () => {
    root.dataset.for = "print";
    dress();
    map.redraw();
    picture.src = map.getCanvas().toDataURL();
    picture.hidden = false;
  });
  addEventListener("afterprint", () => {
    delete root.dataset.for;
    dress();
    picture.hidden = true;
    picture.removeAttribute("src");
  });
}

function layers() {
  const line = (id, paint, layout = {}) => ({ id, source: id, type: "line", layout: { "line-cap": "round", "line-join": "round", ...layout }, paint });
  const order = ["match", ["get", "state"], "urgent", 3, "watch", 2, "unknown", 1, 0];
  const isSame = ["==", ["get", "change"], "same"];
  const text = { "text-color": color("--ink"), "text-halo-color": color("--ground"), "text-halo-width": 1.5 };
  return [
    line("streets", { "line-color": color("--street"), "line-width": ["interpolate", ["linear"], ["zoom"], 11, ["match", ["get", "class"], "major", 1.4, 0.5], 16, ["match", ["get", "class"], "major", 8, 4]] }),
    line("rounds", { "line-color": color("--accent"), "line-width": 2, "line-opacity": 0.45 }),
    // The old round is a broad grey way under the narrow new one: where only grey is left, nobody drives any more.
    line("before", { "line-color": color("--old-round"), "line-width": 9 }),
    { ...line("after", { "line-color": color("--ground"), "line-width": 6 }), id: "after-edge" },
    line("after", { "line-color": color("--accent"), "line-width": 3 }),
    { id: "arrows", source: "after", type: "symbol", layout: { "symbol-placement": "line", "symbol-spacing": 90, "icon-image": "arrow", "icon-size": 0.8, "icon-allow-overlap": true, "icon-ignore-placement": true } },
    { id: "chosen", source: "chosen", type: "circle", paint: { "circle-radius": 16, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": color("--accent"), "circle-stroke-width": 3 } },
    { id: "places", source: "places", type: "symbol", layout: { "icon-image": ["match", ["get", "kind"], "depot", "depot", "unloading-site", "depot", ["concat", "sign-", ["get", "state"]]], "icon-allow-overlap": true, "icon-size": ["interpolate", ["linear"], ["zoom"], 11, 0.55, 15, 1], "symbol-sort-key": order } },
    { id: "stops", source: "stops", type: "circle", paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 12.5, ["case", isSame, 3, 9], NUMBERS_FROM_ZOOM, 9], "circle-color": ["match", ["get", "change"], "new", color("--accent"), "dropped", color("--unknown"), color("--surface")], "circle-stroke-color": ["match", ["get", "change"], "dropped", color("--surface"), color("--accent")], "circle-stroke-width": 2 } },
    { id: "stop-numbers", source: "stops", type: "symbol", filter: ["any", ["!", isSame], [">=", ["zoom"], NUMBERS_FROM_ZOOM]], layout: { "text-field": ["get", "n"], "text-size": 11, "text-allow-overlap": true, "text-ignore-placement": true }, paint: { "text-color": ["match", ["get", "change"], "new", color("--on-accent"), "dropped", color("--surface"), color("--ink")] } },
    { id: "trucks", source: "trucks", type: "symbol", layout: { "icon-image": "truck", "icon-allow-overlap": true, "text-field": ["get", "name"], "text-size": 12, "text-offset": [0, 1.2], "text-anchor": "top", "text-optional": true, "text-variable-anchor": ["top", "bottom", "left", "right"], "text-radial-offset": 1 }, paint: text },
  ];
}
