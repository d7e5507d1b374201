// The form that books a meeting, and what follows it.

const LABELS = {
  teacher_name: "The teacher’s name",
  teacher_email: "The teacher’s e-mail",
  student_name: "The student’s name",
  student_email: "The student’s e-mail",
  meet_time: "The time",
  time_zone: "The time zone",
  duration_minutes: "The length",
};
const PEOPLE = Object.keys(LABELS).slice(0, 4);
const ROLES = ["teacher", "student"];
const LIMITS = {
  KEY_MEETINGS_AT_ONCE: "You have as many meetings at that time as your key allows.",
  KEY_MEETINGS_A_DAY: "You have as many meetings on that day as your key allows.",
  MAX_DESKTOPS: "All desktops are taken at that time.",
  MAX_MEETINGS_A_DAY: "There is no room for another meeting on that day.",
};
const MAIL_PAUSES = [2, 3, 5, 10, 15, 30, 60]; // seconds until it is asked again what became of mails; the last one recurs
const USUAL = 60;
const ONCE = `${KEEPS} Try again: the meeting is booked only once.`;

const place = { invitations: null, longest: USUAL }; // what the API says of this stage
let attempt = {}; // the content that was sent, and the idempotency key that goes with it
let booked = null; // the meeting that was just booked, and its calendar file once it is known

const minutesOf = (select) => Number(select.value);
const when = makeWhen(at("book-when"), "book-", () => minutesOf(at("length")));
at("book-preview").before(at("length").closest(".field")); // which is a part of what it shows

// The next full hour that is at least half an hour away.
function suggested() {
  const hour = 60 * MINUTE;
  return new Date(Math.ceil((now().valueOf() + hour / 2) / hour) * hour);
}

function resetForm() {
  at("book-form").reset();
  clearFormErrors();
  fillLengths(at("length"), place.longest, Math.min(USUAL, place.longest));
  when.set(suggested(), when.zone());
}

// Learns what the stage allows and does; what is chosen already stays if it is still possible.
function learnPlace(answer) {
  const longest = answer.longest_minutes;
  place.invitations = answer.invitations === true;
  if (Number.isInteger(longest) && longest > 0 && longest <= 1440 && longest !== place.longest) {
    place.longest = longest;
    fillLengths(at("length"), longest, Math.min(minutesOf(at("length")) || USUAL, longest));
    when.preview();
  }
  write(at("caller"), textOf(answer.caller).slice(0, 100));
  const mails = place.invitations
    ? "Whoever has an e-mail address gets an invitation with their own link."
    : "No e-mails are sent from here: you get the links, and pass them on.";
  write(at("mails-hint"), mails);
}

function clearFormErrors() {
  for (const name of [...PEOPLE, "length"]) setError([at(name)], at(`${name}-error`));
  when.clearErrors();
  write(at("book-alert"), "");
}

// The API's errors continue a sentence that begins with their field, or are one.
function sentence(name, text, zone) {
  const said = readable(text, zone);
  const continues = /^(?:must|has|is|needs|would|cannot)\b/.test(said);
  return continues ? `${LABELS[name] || "It"} ${said}.` : `${said.slice(0, 1).toUpperCase()}${said.slice(1)}.`;
}

function refuseField(name, text) {
  const said = sentence(name, text, when.zone());
  if (name === "meet_time") return when.refuse(said);
  if (name === "time_zone") return when.refuseZone(said);
  const id = name === "duration_minutes" ? "length" : name;
  setError([at(id)], at(`${id}-error`), said);
  return at(id);
}

// What is missing before it is sent; the rest is for the API to say.
function missing() {
  const found = ["teacher_name", "student_name"]
    .filter((name) => !at(name).value.trim())
    .map((name) => refuseField(name, "is missing"));
  const unfit = PEOPLE
    .filter((name) => at(name).validity.typeMismatch)
    .map((name) => refuseField(name, "does not look like an e-mail address"));
  return firstOf([...found, ...unfit, when.check()].filter(Boolean));
}

function firstOf(elements) {
  const follows = (one, other) => one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_PRECEDING;
  return elements.sort((one, other) => (follows(one, other) ? 1 : -1))[0];
}

function wanted() {
  const chosen = when.value();
  const body = {};
  for (const name of PEOPLE) {
    const text = at(name).value.trim();
    if (text) body[name] = text;
  }
  body.meet_time = chosen.text;
  body.time_zone = chosen.zone;
  body.duration_minutes = minutesOf(at("length"));
  return body;
}

function book(event) {
  event.preventDefault();
  work(at("book-go"), "Booking …", send, refuseBooking);
}

async function send() {
  clearFormErrors();
  const wrong = missing();
  if (wrong) {
    wrong.focus();
    return;
  }
  const body = wanted();
  const content = JSON.stringify(body);
  if (attempt.content !== content) attempt = { content, key: randomKey() };
  const headers = { "Idempotency-Key": attempt.key };
  const made = await request("POST", "/schedule", { body, headers, sure: ONCE });
  attempt = {};
  showBooked(body, made);
  refreshTwice();
}

function refuseBooking(trouble) {
  const { answer, message } = trouble;
  if (answer.limit) {
    when.refuse(...limitContent(answer, when, at("book-go"))).focus();
    return;
  }
  if (trouble.kind === "refused") attempt = {};
  const errors = Object.entries(answer.errors || {});
  const known = errors.filter(([name]) => isKnown(LABELS, name));
  const fields = known.map(([name, text]) => refuseField(name, textOf(text)));
  if (fields.length) firstOf(fields).focus();
  const others = errors.filter((each) => !known.includes(each)).map((each) => each.join(" "));
  if (!fields.length || others.length) write(at("book-alert"), [message, ...others].join(" "));
}

// Says which limit is reached, and offers the time from which on there is room.
function limitContent(answer, fields, next) {
  const text = isKnown(LIMITS, answer.limit) ? LIMITS[answer.limit] : readable((answer.errors || {}).meet_time || answer.message, fields.zone());
  const moment = Math.ceil(Date.parse(textOf(answer.free_at)) / MINUTE) * MINUTE;
  if (Number.isNaN(moment)) return [`${text} Choose another time.`];
  const free = new Date(moment);
  const take = () => {
    fields.set(free, fields.zone());
    next.focus();
  };
  const button = make("button", { type: "button", class: "small", click: take }, "Take that time");
  const offer = `There is room from ${momentIn(fields.zone(), free)} on.`;
  return [make("span", {}, `${text} ${offer}`), button];
}

// Booked

function showBooked(body, made) {
  const start = new Date(textOf(made.meet_time) || body.meet_time);
  const zone = body.time_zone;
  booked = { meeting_id: textOf(made.meeting_id) };
  const other = elsewhere(zone, start, body.duration_minutes);
  const where = `in ${placeOf(zone)} (${zoneText(zone, start)})`;
  write(
    at("booked-when"),
    `${dayIn(zone, start)}, ${timesIn(zone, start, body.duration_minutes)} ${where}. ${other ? `${other}.` : ""}`,
  );
  at("booked-links").replaceChildren(...linksOf({ ...body, ...made }));
  showMails(body, {});
  write(at("booked-alert"), "");
  at("book").hidden = true;
  at("booked").hidden = false;
  document.title = "Booked – Elephant";
  for (const name of PEOPLE) at(name).value = "";
  at("booked-title").focus();
  followMails(body, booked);
}

function bookAnother() {
  booked = null;
  at("booked").hidden = true;
  at("book").hidden = false;
  document.title = "Book a meeting – Elephant";
  at("teacher_name").focus();
}

function mailText(role, address, mail) {
  const itself = "Please pass the link on yourself.";
  if (!address) return `No e-mail address was given for the ${role}. ${itself}`;
  if (mail === "sent") return `The ${role}’s invitation was sent to ${address}.`;
  if (mail === "failed") return `The ${role}’s invitation to ${address} could not be sent. ${itself}`;
  if (mail === "bounced") return `The ${role}’s invitation to ${address} came back. Is the address right? ${itself}`;
  return `The ${role}’s invitation to ${address} is on its way.`;
}

function showMails(body, view) {
  const lines = place.invitations
    ? ROLES.map((role) => [role, body[`${role}_email`], view[`${role}_mail`]])
    : [];
  const items = lines.map(([role, address, mail]) => {
    const kind = !address || mail === "failed" || mail === "bounced" ? "warn" : mail === "sent" ? "good" : "";
    return make("li", { class: kind }, mailText(role, address, mail));
  });
  if (place.invitations === false) items.push(make("li", {}, "No e-mails are sent from here. Please pass each link on yourself."));
  const list = at("booked-mails");
  const text = items.map((each) => each.textContent).join("");
  if (list.textContent !== text) list.replaceChildren(...items);
}

// Mails are sent a little later: asks a few times what became of them.
async function followMails(body, meeting) {
  const awaited = ROLES.filter((role) => body[`${role}_email`]).map((role) => `${role}_mail`);
  if (place.invitations === false || !awaited.length) return;
  for (let turn = 0; ; turn += 1) {
    const seconds = MAIL_PAUSES[Math.min(turn, MAIL_PAUSES.length - 1)];
    await new Promise((done) => setTimeout(done, seconds * 1000));
    if (booked !== meeting) return;
    if (document.hidden) continue;
    try {
      const view = await request("GET", pathOf(meeting));
      if (booked !== meeting) return;
      showMails(body, view);
      if (awaited.every((name) => view[name])) return;
    } catch (trouble) {
      if (trouble.kind === "key") signInAgain();
      if (trouble.kind === "key" || trouble.kind === "stale") return;
    }
  }
}

async function downloadCalendar(meeting) {
  const { calendar } = await request("GET", pathOf(meeting));
  const url = URL.createObjectURL(new Blob([textOf(calendar)], { type: "text/calendar" }));
  make("a", { href: url, download: `meeting-${meeting.meeting_id}.ics` }).click();
  setTimeout(() => URL.revokeObjectURL(url), MINUTE);
}

at("book-form").addEventListener("submit", book);
at("length").addEventListener("input", when.preview);
at("again").addEventListener("click", bookAnother);
at("booked-calendar").addEventListener("click", () => {
  const failed = (trouble) => write(at("booked-alert"), trouble.message);
  write(at("booked-alert"), "");
  work(at("booked-calendar"), "Downloading …", () => downloadCalendar(booked), failed);
});
