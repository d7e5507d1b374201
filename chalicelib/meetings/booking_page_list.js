// My meetings, and links that can be copied.

const REFRESH = 60; // seconds
const SETTLED = 3; // seconds until the list has what was just booked or moved
const SOON = 15; // seconds until it is tried again while somebody is using the list
const MOST_PAGES = 20;
const GROUPS = { running: "Running now", upcoming: "Upcoming", over: "Past week, and cancelled" };
const SHORT_LIST = 5; // past meetings that are shown at once
const FAILURES = ["LAUNCH_FAILED", "NEVER_HEALTHY", "DESKTOP_LIMIT"];

const shown = new Map(); // by meeting id: the element, and the JSON that it shows
let pages = 1;
let loads = 0;
let timer = 0;
let loadedAt = 0; // by a monotonic clock

const isBegun = (view) => Date.parse(view.meet_time) <= now().valueOf();
const titleOf = (view) => `${textOf(view.teacher_name)} and ${textOf(view.student_name)}, ${momentIn(OWN_ZONE, startOf(view))}`;

function startOf(view) {
  const start = new Date(textOf(view.meet_time));
  return Number.isNaN(start.valueOf()) ? now() : start;
}

// Reads all pages that are wanted, and at least those with meetings that are past.
async function readMeetings() {
  const found = [];
  let first = null;
  let next = "";
  let read = 0;
  do {
    const query = next ? `?next=${encodeURIComponent(next)}` : "";
    const answer = await request("GET", `/meetings${query}`);
    first ??= answer;
    const listed = Array.isArray(answer.meetings) ? answer.meetings : [];
    found.push(...listed.filter((each) => each && textOf(each.meeting_id) && isKnown(GROUPS, each.state)));
    next = textOf(answer.next);
    read += 1;
  } while (next && read < MOST_PAGES && (read < pages || found.every(isBegun)));
  return { first, found, next, read };
}

// Reads the list again. What goes wrong is said above it; the list itself stays.
async function refresh() {
  if (!key) return;
  try {
    await load();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    if (trouble.kind === "key") signInAgain();
    else if (trouble.kind !== "stale") cannotLoad(trouble);
  }
}

// After a change: the list itself lags a little behind it.
async function refreshTwice() {
  await refresh();
  refreshIn(SETTLED);
}

async function load() {
  clearTimeout(timer);
  loads += 1;
  const mine = loads;
  try {
    const { first, found, next, read } = await readMeetings();
    if (mine !== loads) return;
    pages = read;
    learnPlace(first);
    showMeetings(found);
    at("more").hidden = !next;
    write(at("mine-alert"), "");
  } finally {
    if (mine === loads) {
      loadedAt = performance.now();
      refreshIn(REFRESH);
    }
  }
}

function cannotLoad(trouble) {
  const old = shown.size ? "The list may be out of date. " : "";
  write(at("mine-alert"), `${old}${trouble.message.replace(KEEPS, "").trim()}`);
  if (!shown.size) at("mine-list").replaceChildren();
}

// A little later each time, so that not all pages ask at once.
function refreshIn(seconds) {
  clearTimeout(timer);
  if (key) timer = setTimeout(refreshIfIdle, seconds * 1000 * (1 + Math.random() / 10));
}

function refreshIfIdle() {
  if (document.hidden) return; // as soon as it is seen
  const isUsed = at("confirm").open || document.activeElement.matches("#mine-list :is(a, button, input, summary)");
  if (isUsed) refreshIn(SOON);
  else refresh();
}

// Shows them, and leaves the focus at the meeting where it is.
function showMeetings(views) {
  const isFocused = ([, { item }]) => item.contains(document.activeElement);
  const [id] = Array.from(shown).find(isFocused) || [];
  fillList(views);
  if (id && document.activeElement === document.body) focusMeeting(id);
}

function focusMeeting(id) {
  const meeting = shown.get(id);
  (meeting ? meeting.item.querySelector("h4") : at("mine-title")).focus();
}

function fillList(views) {
  const list = at("mine-list");
  list.setAttribute("aria-busy", "false");
  const ids = new Set(views.map((each) => each.meeting_id));
  for (const id of shown.keys()) if (!ids.has(id)) shown.delete(id);
  if (!views.length) {
    list.replaceChildren(make("p", { class: "empty" }, "There are none yet. What you book is listed here, with its links."));
    return;
  }
  if (!list.querySelector("section")) list.replaceChildren(...Object.keys(GROUPS).map(makeGroup));
  for (const state of Object.keys(GROUPS)) {
    const group = views.filter((each) => each.state === state);
    if (state === "over") group.reverse();
    showGroup(list.querySelector(`[data-state=${state}]`), group);
  }
}

function makeGroup(state) {
  const heading = make("h3", { id: `${state}-title` });
  const items = make("ul", { class: "meetings" });
  const content = state === "over" ? [make("details", {}, make("summary", {}, heading), items)] : [heading, items];
  return make("section", { "data-state": state, "aria-labelledby": heading.id }, ...content);
}

function showGroup(section, views) {
  const details = section.querySelector(":scope > details");
  const wasEmpty = section.hidden || !section.querySelector("li");
  section.hidden = !views.length;
  write(section.querySelector("h3"), `${GROUPS[section.dataset.state]}${details ? ` (${views.length})` : ""}`);
  if (details && wasEmpty) details.open = views.length <= SHORT_LIST;
  const items = section.querySelector("ul");
  const wanted = views.map(itemOf);
  for (const item of Array.from(items.children)) if (!wanted.includes(item)) item.remove();
  wanted.forEach((item, index) => {
    if (items.children[index] !== item) items.insertBefore(item, items.children[index] || null);
  });
}

// The element that shows a meeting: the same one as before if nothing has changed.
function itemOf(view) {
  const json = JSON.stringify(view);
  const before = shown.get(view.meeting_id);
  if (before && before.json === json) return before.item;
  const item = makeItem(view);
  const links = before && before.item.querySelector("details");
  if (links && links.open && item.querySelector("details")) item.querySelector("details").open = true;
  shown.set(view.meeting_id, { json, item });
  return item;
}

function makeItem(view) {
  const start = startOf(view);
  const minutes = Number(view.duration_minutes) || 0;
  const zone = isZone(view.time_zone || "") ? view.time_zone : OWN_ZONE;
  const isElsewhere = offsetAt(zone, start) !== offsetAt(OWN_ZONE, start);
  const there = `${momentIn(zone, start)} in ${placeOf(zone)}`;
  const hasFailed = FAILURES.includes(view.reason);
  return make(
    "li",
    {},
    make("h4", { tabindex: "-1" }, `${dayIn(OWN_ZONE, start, SHORT_DAY)}, ${timesIn(OWN_ZONE, start, minutes)}`),
    ...(isElsewhere ? [make("p", { class: "hint" }, there)] : []),
    make("p", {}, make("bdi", {}, textOf(view.teacher_name)), " and ", make("bdi", {}, textOf(view.student_name))),
    make("p", { class: hasFailed ? "state warn" : "state" }, readable(view.message, OWN_ZONE)),
    ...lostMails(view).map((text) => make("p", { class: "state warn" }, text)),
    ...(view.state === "over" ? [] : [make("details", {}, make("summary", { "aria-label": `Links: ${titleOf(view)}` }, "Links"), ...linksOf(view), calendarButton(view))]),
    make("div", { class: "buttons" }, ...actionsOf(view)),
  );
}

function lostMails(view) {
  const lost = { failed: "could not be sent", bounced: "came back: is the address right?" };
  return ROLES.filter((role) => isKnown(lost, view[`${role}_mail`])).map((role) => {
    const address = textOf(view[`${role}_email`]) || `the ${role}`;
    return `The last e-mail to ${address} ${lost[view[`${role}_mail`]]}`.replace(/\w$/, "$&.");
  });
}

function actionsOf(view) {
  const possible = Array.isArray(view.actions) ? view.actions : [];
  return Object.entries(ACTIONS)
    .filter(([name]) => possible.includes(name))
    .map(([, { label, open }]) => {
      const name = `${label}: ${titleOf(view)}`;
      return make("button", { type: "button", class: "small", "aria-label": name, click: () => isChanging() || open(view) }, label);
    });
}

// Links

function linksOf(view) {
  const rows = ROLES.filter((role) => linkOf(view[`${role}_link`])).map((role) => linkRow(view, role));
  if (rows.length < ROLES.length) {
    const text = "This meeting was booked before links could be shown again. Those that were given out then still work.";
    rows.push(make("p", { class: "hint" }, text));
  }
  const room = textOf(view.jitsi_url);
  if (/^https:\/\//.test(room)) {
    const link = make("a", { href: room, target: "_blank", rel: "noreferrer" }, room);
    rows.push(make("p", {}, "You meet at ", link));
  }
  return rows;
}

function calendarButton(view) {
  const label = "Download the calendar file";
  const button = make("button", { type: "button", class: "small", "aria-label": `${label}: ${titleOf(view)}` }, label);
  const failed = (trouble) => write(at("mine-alert"), trouble.message);
  button.addEventListener("click", () => work(button, "Downloading …", () => downloadCalendar(view), failed));
  return make("div", { class: "buttons" }, button);
}

function linkRow(view, role) {
  const id = `link-${randomKey()}`;
  const url = view[`${role}_link`];
  const input = make("input", { id, type: "text", readonly: true, value: url, focus: () => input.select() });
  const button = make("button", { type: "button", "aria-label": `Copy the ${role}’s link: ${textOf(view[`${role}_name`])}` }, "Copy");
  button.addEventListener("click", () => copy(input, button));
  const name = make("bdi", {}, textOf(view[`${role}_name`]));
  const label = make("label", { for: id }, `Link for the ${role}, `, name);
  return make("div", { class: "field" }, label, make("div", { class: "copy" }, input, button));
}

async function copy(input, button) {
  let isCopied = false;
  try {
    await navigator.clipboard.writeText(input.value); // only where a page is secure
    isCopied = true;
  } catch {
    input.select();
    isCopied = document.execCommand("copy");
    if (isCopied) button.focus();
  }
  if (!isCopied) {
    say("The link is selected. Copy it with your keyboard or its menu.");
    button.textContent = "Selected";
    return;
  }
  say("Copied");
  button.textContent = "Copied";
  setTimeout(() => {
    button.textContent = "Copy";
  }, 4000);
}

at("refresh").addEventListener("click", () => work(at("refresh"), "Refreshing …", load, cannotLoad));
at("more").addEventListener("click", () => {
  pages += 1;
  work(at("more"), "Loading …", load, cannotLoad);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refreshIn(Math.max(0, REFRESH - (performance.now() - loadedAt) / 1000));
});
addEventListener("online", () => refreshIn(0));
