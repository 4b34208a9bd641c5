// Live events: one EventSource, and the honesty to say when it has gone quiet.

const SILENT_AFTER_MS = 20_000;
const AGAIN_AFTER_MS = 3_000;

/**
 * Listen to /v1/live. `handlers[event](data)` is called for each event; `onState("live" | "stale")` when that changes.
 * The server sends something at least every ten seconds, so silence means that what is on the screen is old.
 */
export function listen(handlers, onState) {
  let source = null;
  let heardAt = Date.now();
  let state = "";
  const say = (next) => {
    if (next !== state) onState((state = next));
  };
  const heard = () => {
    heardAt = Date.now();
    say("live");
  };
  const open = () => {
    source = new EventSource("/v1/live");
    source.onerror = () => {
      say("stale");
      // A browser gives up for good when a proxy answers with an error.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_AFTER_MS);
    };
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        heard();
        handle(event.data ? JSON.parse(event.data) : null);
      });
    }
    source.addEventListener("heartbeat", heard);
  };
  open();
  setInterval(() => Date.now() - heardAt > SILENT_AFTER_MS && say("stale"), 2000);
}
