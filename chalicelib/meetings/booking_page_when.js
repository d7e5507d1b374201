// Elements, and the fields for a time: used by the form and by the dialog that moves a meeting.

const at = (id) => document.getElementById(id);

// Texts are only ever added as text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// A live region is read out again whenever it is written, even with the same text.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function say(text) {
  at("said").textContent = "";
  setTimeout(() => write(at("said"), text), 100);
}

// Shows an error beside the inputs that it is about, or removes it: without content.
function setError(inputs, error, ...content) {
  const isWrong = content.length > 0;
  error.replaceChildren(...content);
  error.hidden = !isWrong;
  for (const input of inputs) {
    const hints = (input.dataset.hints ??= input.getAttribute("aria-describedby") || "");
    const described = [hints, isWrong && error.id].filter(Boolean).join(" ");
    if (described) input.setAttribute("aria-describedby", described);
    else input.removeAttribute("aria-describedby");
    if (isWrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

const isWorking = (button) => button.hasAttribute("aria-disabled");

// Lets a button work, once at a time; `failed` gets what goes wrong, but for a key that is refused.
async function work(button, text, run, failed) {
  if (isWorking(button)) return;
  const label = button.textContent;
  button.setAttribute("aria-disabled", "true"); // a disabled one would lose the focus
  button.textContent = text;
  try {
    await run();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    if (trouble.kind === "key") signInAgain();
    else if (trouble.kind !== "stale") failed(trouble);
  } finally {
    button.removeAttribute("aria-disabled");
    button.textContent = label;
  }
}

function fillLengths(select, longest, chosen) {
  const least = Math.min(15, longest);
  const steps = new Set([longest, chosen]);
  for (let each = least; each <= longest; each += 15) steps.add(each);
  const options = Array.from(steps)
    .filter((each) => Number.isInteger(each) && each > 0)
    .sort((one, other) => one - other)
    .map((each) => make("option", { value: String(each) }, lengthText(each)));
  select.replaceChildren(...options);
  select.value = String(chosen);
}

function fillZones(select, more) {
  const first = [...new Set([OWN_ZONE, more, "UTC"])].filter((each) => each && isZone(each));
  const own = (zone) => (zone === OWN_ZONE ? `${placeOf(zone)} (yours)` : placeOf(zone));
  const groups = new Map([["Suggested", first.map((zone) => [zone, own(zone)])]]);
  for (const zone of zones()) {
    if (first.includes(zone)) continue;
    const [area] = zone.split("/");
    if (!groups.has(area)) groups.set(area, []);
    groups.get(area).push([zone, placeOf(zone)]);
  }
  const made = Array.from(groups, ([label, listed]) =>
    make("optgroup", { label }, ...listed.map(([value, text]) => make("option", { value }, text))),
  );
  select.replaceChildren(...made);
}

// Date, time and zone within an element; `minutes()` is the length that the preview shows.
function makeWhen(place, prefix, minutes) {
  const content = at("when").content.cloneNode(true);
  for (const each of content.querySelectorAll("[id]")) each.id = prefix + each.id;
  for (const each of content.querySelectorAll("[for]")) each.htmlFor = prefix + each.htmlFor;
  for (const each of content.querySelectorAll("[name]")) each.name = prefix + each.name;
  place.replaceChildren(content);
  const part = (id) => at(prefix + id);
  const [date, time, zone] = ["date", "time", "zone"].map(part);
  const error = part("meet_time-error");
  let refused = ""; // what the error beside the time is about

  const typed = () => `${zone.value} ${date.value} ${time.value}`;
  const isSkipped = () => Boolean(date.value && time.value && !moments().length);
  const skipped = () => `Clocks in ${placeOf(zone.value)} skip this time: they are put forward. Choose another one.`;
  const moments = () => momentsOf(zone.value, date.value, time.value);

  function clearErrors() {
    setError([date, time], error);
    setError([zone], part("time_zone-error"));
    refused = "";
  }

  function refuse(...content) {
    setError([date, time], error, ...content);
    refused = typed();
    return time;
  }

  function update() {
    const found = moments();
    if (refused && refused !== typed()) clearErrors();
    part("twice").hidden = found.length < 2;
    if (found.length > 1) {
      for (const [index, name] of ["first-text", "second-text"].entries()) {
        const { at: moment } = found[index];
        const utc = `${timesIn("UTC", moment)} in UTC`;
        write(part(name), `the ${index ? "second" : "first"}, ${zoneText(zone.value, moment)} (${utc})`);
      }
    }
    if (isSkipped()) refuse(skipped());
    preview();
  }

  function preview() {
    const chosen = value();
    if (!chosen || chosen.at < 0) {
      write(part("preview"), "");
      return;
    }
    const name = zone.value;
    const text = `${dayIn(name, chosen.at)}, ${timesIn(name, chosen.at, minutes())} in ${placeOf(name)} (${zoneText(name, chosen.at)})`;
    const other = elsewhere(name, chosen.at, minutes());
    const lines = [text, other].filter(Boolean);
    const shown = part("preview");
    if (shown.textContent === lines.join("")) return;
    shown.replaceChildren(...lines.map((each) => make("span", {}, each)));
  }

  function value() {
    const found = moments();
    if (!found.length) return null;
    const chosen = found[part("second").checked && found.length > 1 ? 1 : 0];
    return { at: chosen.at, text: written(date.value, time.value, chosen.offset), zone: zone.value };
  }

  // Says what is missing; returns the field to go to, or null.
  function check() {
    if (value()) return null;
    if (isSkipped()) return refuse(skipped());
    refuse(date.value ? "Please enter a time." : "Please enter a date and a time.");
    return date.value ? time : date;
  }

  function set(moment, name) {
    if (isZone(name)) zone.value = name;
    if (!zone.value) zone.value = OWN_ZONE;
    if (!zone.value) zone.selectedIndex = 0;
    const wall = wallOf(zone.value, moment);
    date.value = wall.date;
    time.value = wall.time;
    clearErrors();
    const found = moments();
    part("second").checked = found.length > 1 && found[1].at.valueOf() === moment.valueOf();
    part("first").checked = !part("second").checked;
    date.min = wallOf(zone.value, now()).date;
    update();
  }

  fillZones(zone);
  for (const each of [date, time, zone, part("first"), part("second")]) {
    each.addEventListener("input", update);
    each.addEventListener("change", update);
  }
  return {
    value,
    check,
    set,
    refuse,
    clearErrors,
    preview,
    suggest: (name) => fillZones(zone, name),
    zone: () => zone.value,
    refuseZone(text) {
      setError([zone], part("time_zone-error"), text);
      return zone;
    },
  };
}
