// The key, and requests to the API with it.

const KEY = "elephant-key";
const TIMEOUT = 20000;
const KEEPS = "What you have entered is still here.";
const SECONDS = /^\d{1,5}$/;

// Always at the page's own origin: no header of a request can have the key sent elsewhere.
const BASE = location.origin + basePath();

let key = "";
let session = 0; // changes whenever the key does, so that late answers are ignored
let ahead = 0; // milliseconds by which the server's clock is ahead of the visitor's

function basePath() {
  try {
    return new URL(document.body.dataset.api).pathname.replace(/\/+$/, "");
  } catch {
    return location.pathname.replace(/\/+$/, "");
  }
}

function storages() {
  const found = [];
  for (const name of ["sessionStorage", "localStorage"]) {
    try {
      found.push(window[name]); // throws where a visitor allows none
    } catch {
      // the key is then kept by the page alone
    }
  }
  return found;
}

function keptKey() {
  for (const storage of storages()) {
    const kept = storage.getItem(KEY);
    if (kept) return kept;
  }
  return "";
}

function useKey(text) {
  key = text;
  session += 1;
}

function keepKey(remember) {
  for (const storage of storages()) storage.removeItem(KEY);
  try {
    window[remember ? "localStorage" : "sessionStorage"].setItem(KEY, key);
  } catch {
    // as above
  }
}

function forgetKey() {
  useKey("");
  for (const storage of storages()) storage.removeItem(KEY);
}

const now = () => new Date(Date.now() + ahead);

function setClock(time) {
  const there = Date.parse(time);
  if (!Number.isNaN(there)) ahead = there - Date.now();
}

// What can go wrong: `kind` is "key", "stale", "refused" (with the answer), "busy" or "unclear".
class Trouble extends Error {
  constructor(kind, message, answer) {
    super(message);
    this.kind = kind;
    this.answer = answer || {};
  }
}

// Sends a request; `sure` says what a lost answer means. Returns the answer's JSON object.
async function request(method, path, { body, headers, sure = KEEPS } = {}) {
  const mine = session;
  const abort = new AbortController();
  const watch = setTimeout(() => abort.abort(), TIMEOUT);
  const sent = { Accept: "application/json", Authorization: `Bearer ${key}`, ...headers };
  if (body) sent["Content-Type"] = "application/json";
  let response;
  let text;
  try {
    response = await fetch(BASE + path, {
      method,
      headers: sent,
      body: body && JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: abort.signal,
    });
    text = await response.text();
  } catch {
    if (mine !== session) throw new Trouble("stale", "");
    const what = abort.signal.aborted
      ? "There was no answer within 20 seconds."
      : "The connection to Elephant seems to be lost.";
    throw new Trouble("unclear", `${what} ${sure}`);
  } finally {
    clearTimeout(watch);
  }
  if (mine !== session) throw new Trouble("stale", "");
  setClock(response.headers.get("Date"));
  const answer = parsed(text);
  if (response.ok && answer) return answer;
  throw troubleOf(response, answer, sure);
}

function troubleOf(response, answer, sure) {
  const status = response.status;
  if (status === 401) return new Trouble("key", "");
  if (status === 429 || status === 503) {
    const given = response.headers.get("Retry-After") || "";
    const seconds = SECONDS.test(given) ? Math.max(1, Number(given)) : 0;
    const wait = seconds ? `in ${count(seconds, "second")}` : "in a moment";
    const why = status === 429 ? "Too much is asked of Elephant just now." : "Elephant could not do that just now.";
    return new Trouble("busy", `${why} Please try again ${wait}. ${sure}`);
  }
  if (answer && status >= 400 && status < 500) {
    return new Trouble("refused", textOf(answer.message) || "Elephant refused that.", answer);
  }
  return new Trouble("unclear", `Something went wrong at Elephant’s side. ${sure}`);
}

function parsed(text) {
  try {
    const answer = JSON.parse(text);
    return answer && typeof answer === "object" && !Array.isArray(answer) ? answer : null;
  } catch {
    return null;
  }
}

// Answers are not trusted to have the right types.
const textOf = (value) => (typeof value === "string" ? value : "");
const linkOf = (value) => (/^https?:\/\//.test(textOf(value)) ? value : "");
const isKnown = (names, name) => typeof name === "string" && Object.hasOwn(names, name);
const count = (number, unit) => `${number} ${unit}${number === 1 ? "" : "s"}`;
const pathOf = (meeting) => `/meetings/${encodeURIComponent(textOf(meeting.meeting_id))}`;

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}
