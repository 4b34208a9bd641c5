// The API as the page needs it. A problem answers with what is wrong and what mends it (RFC 9457).

/** A refusal or failure, in the server's words. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
  }
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError(0, { detail: "The server does not answer. Is it running?" });
  }
  const type = response.headers.get("content-type") ?? "";
  const body = type.includes("json") ? await response.json() : null;
  if (!response.ok) throw new ApiError(response.status, body ?? {});
  return body;
}

/** GET JSON. */
export const get = (path) => request(path);

/** POST JSON. */
export const post = (path, body) =>
  request(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
