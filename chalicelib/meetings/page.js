"use strict";
// Polls this page's own address, shows the state, and enters when the desktop is ready.
(() => {
  const HEADLINES = {/* headlines */};
  const TITLES = {/* titles */};
  const REACHED = ["scheduled", "ready"]; // steps that are done as soon as they are reached
  const FINAL = ["over", "unknown", "refused"];
  const BRISK = 5; // polls, two seconds apart
  const STEADY = 15; // polls in all, the later ones five seconds apart
  const TIMEOUT = 20000;
  const LONGEST = 60;
  const SLOW = 45; // seconds, while no poll may enter; hidden tabs act only once a minute

  const body = document.body;
  const at = (id) => document.getElementById(id);
  const promise = at("promise"); // true only with script, and while waiting
  let polls = 0;
  let failures = 0;
  let due = 0; // by a monotonic clock
  let timer = 0;
  let busy = false;
  // A page that loads as ready leaves entering to the button: link scanners run scripts.
  const byButton = body.dataset.phase === "ready";
  let finished = FINAL.includes(body.dataset.phase);
  let ahead = 0; // milliseconds by which the server's clock is ahead of the visitor's

  // Whether a poll must not enter. It reports that somebody waits, so the meeting is not a no-show.
  const onlyWaits = () => byButton || document.hidden;
  const atLeast = (seconds) => (onlyWaits() ? Math.max(SLOW, seconds) : seconds);

  function write(element, text) {
    // A live region is read out again whenever it is written, even with the same text.
    if (element.textContent !== text) element.textContent = text;
  }

  function show(phase, step, message) {
    if (phase !== body.dataset.phase) polls = 0;
    body.dataset.phase = phase;
    write(at("headline"), HEADLINES[phase]);
    write(at("message"), message);
    document.title = `${TITLES[phase] || HEADLINES[phase]} – Elephant`;
    at("enter").hidden = phase !== "ready";
    if (promise) promise.hidden = !step || byButton;
    const steps = at("steps");
    if (!steps) return;
    steps.hidden = !step;
    const items = Array.from(steps.children);
    const now = items.findIndex((item) => item.dataset.step === step);
    items.forEach((item, index) => {
      const done = index < now || (index === now && REACHED.includes(step));
      item.className = done ? "done" : index === now ? "now" : "";
      if (index === now) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
      write(item.querySelector(".said"), done ? " (done)" : index === now ? " (now)" : "");
    });
  }

  function offer(answer) {
    const entrance = new URL(location.href);
    entrance.searchParams.set("enter", "1");
    at("open").href = entrance.href;
    entrance.searchParams.set("as", "dcv");
    if (at("file")) at("file").href = entrance.href;
    show("ready", "ready", answer.message);
  }

  function enter(answer) {
    finished = true;
    offer(answer); // for whoever comes back: the address in the answer may be good only once
    if (answer.dcv_url.startsWith("https://")) location.replace(answer.dcv_url);
  }

  function lost(seconds) {
    failures += 1;
    if (failures > 1) {
      write(at("note"), "The connection seems to be lost. This page keeps trying by itself.");
    }
    return Math.max(seconds, Math.min(LONGEST, 2 ** failures));
  }

  function setClock(time) {
    const there = Date.parse(time);
    if (!Number.isNaN(there)) ahead = there - Date.now();
    showTimes();
  }

  async function ask() {
    const headers = { Accept: "application/json" };
    if (onlyWaits()) headers["Elephant-Waiting"] = "1";
    const abort = new AbortController();
    const watch = setTimeout(() => abort.abort(), TIMEOUT);
    let response;
    let answer;
    try {
      response = await fetch(location.href, {
        headers,
        cache: "no-store",
        signal: abort.signal,
      });
      answer = await response.json();
    } catch {
      return lost(0);
    } finally {
      clearTimeout(watch);
    }
    setClock(response.headers.get("Date"));
    const seconds = Number(response.headers.get("Retry-After")) || 0;
    const phase = response.headers.get("Elephant-Phase");
    if (!(phase in HEADLINES) || phase === "trouble") return lost(seconds);
    failures = 0;
    write(at("note"), "");
    if (body.dataset.phase === "trouble") {
      finished = true; // that page had no data of the meeting: load a complete one
      location.reload();
      return 0;
    }
    if (phase === "ready") {
      if (answer.dcv_url) enter(answer);
      else offer(answer);
      return Math.max(seconds, 2);
    }
    show(phase, response.headers.get("Elephant-Step"), answer.message);
    finished = FINAL.includes(phase);
    polls += 1;
    return Math.max(seconds, polls < BRISK ? 2 : polls < STEADY ? 5 : 15);
  }

  async function poll() {
    if (busy || finished) return;
    busy = true;
    const couldNotEnter = onlyWaits();
    const seconds = await ask();
    busy = false;
    // A little later each time, so that visitors of many meetings do not poll in step.
    due = performance.now() + atLeast(seconds) * 1000 * (1 + Math.random() / 10);
    if (couldNotEnter && !onlyWaits()) due = 0; // it came to the front meanwhile
    wait();
  }

  function wait() {
    clearTimeout(timer);
    if (finished) return;
    timer = setTimeout(poll, Math.max(0, due - performance.now()));
  }

  function showTimes() {
    const time = document.querySelector("time");
    const start = time && new Date(time.dateTime);
    if (!start || Number.isNaN(start.valueOf())) return;
    const english = (navigator.languages || []).find((each) => /^en\b/.test(each)) || "en-GB";
    const format = { weekday: "long", day: "numeric", month: "long" };
    const clock = { hour: "numeric", minute: "2-digit", timeZoneName: "short" };
    const written = new Intl.DateTimeFormat(english, { ...format, ...clock }).format(start);
    write(time, written);
    const minutes = Math.round((start - Date.now() - ahead) / 60000);
    const [count, unit] =
      Math.abs(minutes) < 90
        ? [minutes, "minute"]
        : Math.abs(minutes) < 48 * 60
          ? [Math.round(minutes / 60), "hour"]
          : [Math.round(minutes / 1440), "day"];
    const relative = new Intl.RelativeTimeFormat(english).format(count, unit);
    write(at("until"), minutes ? `(${relative})` : "(now)");
  }

  document.addEventListener("visibilitychange", () => {
    if (!onlyWaits()) due = 0;
    wait();
  });
  addEventListener("online", () => {
    due = 0;
    wait();
  });
  if (promise) promise.hidden = finished || byButton;
  setClock(body.dataset.now);
  setInterval(showTimes, 15000);
  due = performance.now() + atLeast(Number(body.dataset.retry)) * 1000;
  wait();
})();
