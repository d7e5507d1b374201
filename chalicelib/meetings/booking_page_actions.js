// What can be done with a meeting: each is confirmed in a dialog that says what will happen.

const ACTIONS = {
  move: { label: "Move", open: openMove },
  extend: { label: "Change length", open: openLength },
  cancel: { label: "Cancel", open: openCancel },
  end: { label: "End now", open: openEnd },
};
const NO_HARM = "Try again: doing it twice does no harm.";

let decided = null; // what the dialog does when it is confirmed

const isReached = (view, role) => !["failed", "bounced"].includes(view[`${role}_mail`]);
// Who gets an e-mail of a change, and of a cancellation: those who were invited.
const isInvited = (view, role) => view[`${role}_mail`] === "sent";
const isWritten = (view, role) =>
  place.invitations && view[`${role}_email`] && isReached(view, role) && !view.actions.includes("end");

function notified(view, what, isNotified) {
  const people = ROLES.filter((role) => isNotified(view, role)).map((role) => `the ${role}`);
  const others = ROLES.map((role) => `the ${role}`).filter((each) => !people.includes(each));
  const found = [];
  if (people.length) {
    const listed = people.join(" and ");
    found.push(`${listed[0].toUpperCase()}${listed.slice(1)} ${people.length > 1 ? "get" : "gets"} an e-mail ${what}.`);
  }
  if (others.length) found.push(`Please let ${others.join(" and ")} know yourself: no e-mail reaches them.`);
  return found;
}

function openDialog(view, { title, lines, fields = [], no, yes, busy, run, done, failed, isFinal = false }) {
  write(at("confirm-title"), title);
  write(at("confirm-about"), titleOf(view));
  at("confirm-text").replaceChildren(...lines.map((each) => make("li", {}, each)));
  at("confirm-fields").replaceChildren(...fields);
  write(at("confirm-alert"), "");
  write(at("confirm-no"), no);
  write(at("confirm-yes"), yes);
  at("confirm-yes").className = isFinal ? "final" : "primary";
  decided = { view, busy, run, done, failed: failed || (() => false) };
  at("confirm").showModal();
  if (!fields.length) at("confirm-no").focus(); // what cannot be undone is not the next key's
}

function confirm(event) {
  event.preventDefault();
  const { view, busy, run, done, failed } = decided;
  write(at("confirm-alert"), "");
  const change = async () => {
    const changed = await run();
    if (!changed) return; // something is missing, and the field says so
    at("confirm").close();
    write(at("mine-note"), done(changed));
    focusMeeting(view.meeting_id);
    refreshTwice();
  };
  const refused = (trouble) => {
    if (!failed(trouble)) write(at("confirm-alert"), readable(trouble.message, OWN_ZONE));
  };
  write(at("mine-note"), "");
  work(at("confirm-yes"), busy, change, refused);
}

const patch = (view, body) => request("PATCH", pathOf(view), { body, sure: NO_HARM });
const remove = (view) => request("DELETE", pathOf(view), { sure: NO_HARM });

// What the API says of the field that a dialog is about, whichever it names.
function changeError(answer, zone) {
  const errors = answer.errors || {};
  const name = ["meet_time", "duration_minutes"].find((each) => textOf(errors[each]));
  return name ? sentence(name, errors[name], zone) : "";
}

function openMove(view) {
  const area = make("div");
  openDialog(view, {
    title: "Move this meeting?",
    fields: [area],
    lines: ["The links stay the same.", ...notified(view, "with the new time", isWritten)],
    no: "Keep the time",
    yes: "Move the meeting",
    busy: "Moving …",
    done: (changed) => `The meeting is on ${momentIn(OWN_ZONE, startOf(changed))} now.`,
    run: async () => {
      fields.clearErrors();
      const wrong = fields.check();
      if (wrong) wrong.focus();
      return wrong ? null : patch(view, { meet_time: fields.value().text });
    },
    failed: ({ answer }) => {
      const text = changeError(answer, fields.zone());
      if (!text) return false;
      const content = answer.limit ? limitContent(answer, fields, at("confirm-yes")) : [text];
      fields.refuse(...content).focus();
      return true;
    },
  });
  const fields = makeWhen(area, "move-", () => Number(view.duration_minutes));
  const zone = isZone(view.time_zone || "") ? view.time_zone : OWN_ZONE;
  fields.suggest(zone);
  fields.set(startOf(view), zone);
  at("move-date").focus();
}

function openLength(view) {
  const select = make("select", { id: "new-length" });
  const error = make("p", { id: "new-length-error", class: "error", hidden: true });
  const end = make("p", { class: "preview", role: "status" });
  const preview = () => {
    const moment = new Date(startOf(view).valueOf() + minutesOf(select) * MINUTE);
    write(end, `It then ends on ${momentIn(OWN_ZONE, moment)}.`);
  };
  const label = make("label", { for: "new-length" }, "Length");
  select.addEventListener("input", preview);
  fillLengths(select, place.longest, Number(view.duration_minutes));
  preview();
  openDialog(view, {
    title: "Change its length?",
    fields: [make("div", { class: "field" }, label, select, error), end],
    lines: [
      "At its end both desktops are ended, also while people are on them.",
      ...notified(view, "with the new end", isWritten),
    ],
    no: "Keep the length",
    yes: "Change the length",
    busy: "Changing …",
    done: (changed) => `The meeting is ${lengthText(Number(changed.duration_minutes))} long now.`,
    run: async () => {
      setError([select], error);
      return patch(view, { duration_minutes: minutesOf(select) });
    },
    failed: ({ answer }) => {
      const text = changeError(answer, OWN_ZONE);
      if (!text) return false;
      const isLimit = isKnown(LIMITS, answer.limit);
      setError([select], error, isLimit ? `${LIMITS[answer.limit]} Choose a shorter length.` : text);
      select.focus();
      return true;
    },
  });
  select.focus();
}

function openCancel(view) {
  const running = view.state === "running" ? ["Its desktops are ended."] : [];
  openDialog(view, {
    title: "Cancel this meeting?",
    lines: [
      ...running,
      "Its links stop working. This cannot be undone.",
      ...notified(view, "that it is cancelled", isInvited),
    ],
    no: "Keep the meeting",
    yes: "Cancel the meeting",
    busy: "Cancelling …",
    done: (changed) => (changed.reason === "CANCELLED" ? "The meeting is cancelled." : textOf(changed.message)),
    run: () => remove(view),
    isFinal: true,
  });
}

function openEnd(view) {
  openDialog(view, {
    title: "End this meeting now?",
    lines: [
      "Both desktops are ended, also while people are on them.",
      "Work on them that is not saved elsewhere is lost. This cannot be undone.",
      "No e-mail is sent. Let the people on them know first.",
    ],
    no: "Let it go on",
    yes: "End the meeting now",
    busy: "Ending …",
    done: (changed) => (changed.reason === "CANCELLED" ? "The meeting is ended." : textOf(changed.message)),
    run: () => remove(view),
    isFinal: true,
  });
}

at("confirm-form").addEventListener("submit", confirm);
at("confirm-no").addEventListener("click", () => closeDialog());
at("confirm").addEventListener("cancel", (event) => {
  if (isChanging()) event.preventDefault();
});

function isChanging() {
  return isWorking(at("confirm-yes"));
}

function closeDialog() {
  if (!isChanging()) at("confirm").close();
}
