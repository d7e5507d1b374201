// Times: of the clock on a wall somewhere, and in words.

const MINUTE = 60000;
const DAY = 24 * 60 * MINUTE;
const ENGLISH = (navigator.languages || []).find((each) => /^en\b/.test(each)) || "en-GB";
const OWN_ZONE = ownZone();
const formats = new Map();

function ownZone() {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && isZone(zone) ? zone : "UTC";
}

function isZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function zones() {
  const known = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
  return known.filter((each) => each.includes("/"));
}

function placeOf(zone) {
  const [, ...rest] = zone.split("/");
  const names = (rest.length ? rest : [zone]).map((each) => each.replaceAll("_", " "));
  return names.length > 1 ? `${names[1]} (${names[0]})` : names[0];
}

function format(zone, options, language = ENGLISH) {
  const name = JSON.stringify([zone, options, language]);
  if (!formats.has(name)) {
    formats.set(name, new Intl.DateTimeFormat(language, { timeZone: zone, ...options }));
  }
  return formats.get(name);
}

const NUMBERS = {
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
};

// What clocks there show: {date: "2026-11-21", time: "15:30"}, as inputs have it.
function wallOf(zone, at) {
  const parts = {};
  for (const each of format(zone, NUMBERS, "en-GB").formatToParts(at)) parts[each.type] = each.value;
  return {
    date: `${parts.year.padStart(4, "0")}-${parts.month}-${parts.day}`,
    time: `${parts.hour}:${parts.minute}`,
  };
}

function offsetAt(zone, at) {
  const { date, time } = wallOf(zone, at);
  return Date.parse(`${date}T${time}Z`) - Math.floor(at / MINUTE) * MINUTE;
}

// The moments at which clocks there show this: none where they skip it, two where it comes twice.
function momentsOf(zone, date, time) {
  const wall = Date.parse(`${date}T${time}Z`);
  if (Number.isNaN(wall)) return [];
  // A year that is still being typed: zones did not go by whole minutes then.
  if (date < "1980") return [{ at: new Date(wall), offset: 0 }];
  const offsets = new Set([wall - DAY, wall + DAY].map((each) => offsetAt(zone, each)));
  return Array.from(offsets, (offset) => ({ at: new Date(wall - offset), offset }))
    .filter(({ at, offset }) => offsetAt(zone, at) === offset)
    .sort((one, other) => one.at - other.at);
}

// As the API reads it: 2026-11-21T15:30:00+01:00
function written(date, time, offset) {
  const minutes = Math.abs(offset) / MINUTE;
  const pad = (number) => String(number).padStart(2, "0");
  const sign = offset < 0 ? "-" : "+";
  return `${date}T${time}:00${sign}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}

const LONG_DAY = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
const SHORT_DAY = { weekday: "short", day: "numeric", month: "short" };
const CLOCK = { hour: "numeric", minute: "2-digit" };

function zoneText(zone, at) {
  const parts = format(zone, { ...CLOCK, timeZoneName: "short" }).formatToParts(at);
  return parts.find((each) => each.type === "timeZoneName").value;
}

function timesIn(zone, start, minutes) {
  const from = format(zone, CLOCK).format(start);
  if (!minutes) return from;
  const end = new Date(start.valueOf() + minutes * MINUTE);
  const next = wallOf(zone, start).date === wallOf(zone, end).date ? "" : " the next day";
  const isChanged = offsetAt(zone, start) !== offsetAt(zone, end);
  const named = isChanged ? ` (${zoneText(zone, end)})` : "";
  return `${from} to ${format(zone, CLOCK).format(end)}${named}${next}`;
}

const dayIn = (zone, at, day = LONG_DAY) => format(zone, day).format(at);

function momentIn(zone, at) {
  return `${dayIn(zone, at)}, ${timesIn(zone, at)} (${zoneText(zone, at)})`;
}

// The same time elsewhere, where clocks differ: the visitor's own, or UTC.
function elsewhere(zone, start, minutes) {
  const differ = (other) => offsetAt(zone, start) !== offsetAt(other, start);
  const other = [OWN_ZONE, "UTC"].find(differ);
  if (!other) return "";
  const same = wallOf(zone, start).date === wallOf(other, start).date;
  const day = same ? "" : `${dayIn(other, start, { weekday: "long" })}, `;
  const where = other === "UTC" ? "In UTC" : "For you";
  return `${where}: ${day}${timesIn(other, start, minutes)}`;
}

function lengthText(minutes) {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return [hours && count(hours, "hour"), rest && count(rest, "minute")].filter(Boolean).join(" ");
}

// The times that the API writes in messages, as a person there reads them.
function readable(text, zone) {
  return textOf(text).replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (each) => momentIn(zone, new Date(each)));
}
