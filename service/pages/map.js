// The map: live where the browser can, the server's picture of the same where it cannot.

import { liveMap } from "./live_map.js";
import { pictureMap } from "./picture_map.js";

/**
 * Make the map in `target`; `onChoose(id)` is called when a place or a truck on it is chosen. Answers with what the page
 * may ask of a map: `places`, `trucks`, `rounds` (GeoJSON to show), and `look({ before, after, stops, lon, lat })` at rounds or a point; at nothing
 * special without them. With `stay` what is shown changes and the view does not move.
 */
export async function makeMap(target, bounds, onChoose) {
  if (!hasWebGl()) return pictureMap(target, bounds, onChoose);
  try {
    return await liveMap(target, bounds, onChoose);
  } catch (error) {
    console.info("The live map does not start; showing the picture.", error);
    return pictureMap(target, bounds, onChoose);
  }
}

function hasWebGl() {
  return !new URLSearchParams(location.search).has("picture") && Boolean(document.createElement("canvas").getContext("webgl2"));
}
