// What can be done with a meeting: each is confirmed in a dialog that says what will happen.

const ACTIONS = {
  move: { label: "Move", open: openMove },
  extend: { label: "Change length", open: openLength },
  cancel: { label: "Cancel", open: openCancel },
  end: { label: "End now", open: openEnd },
};
const NO_HARM = "Try again: doing it twice does no harm.";

let decided = null; // what the dialog does when it is confirmed

// Says who is notified: those whose invitation was sent.
function notified(view, what) {
  const people = ROLES.filter((role) => place.invitations && view[`${role}_mail`] === "sent").map((role) => `the ${role}`);
  const others = ROLES.map((role) => `the ${role}`).filter((each) => !people.includes(each));
  const found = [];
  if (people.length) {
    const listed = people.join(" and ");
    found.push(`${listed[0].toUpperCase()}${listed.slice(1)} ${people.length > 1 ? "get" : "gets"} an e-mail ${what}.`);
  }
  if (others.length) found.push(`Please let ${others.join(" and ")} know yourself: no e-mail is sent to them.`);
  return found;
}

function openDialog(view, { title, lines, fields = [], no, yes, busy, run, failed, isFinal = false }) {
  write(at("confirm-title"), title);
  write(at("confirm-about"), titleOf(view));
  at("confirm-text").replaceChildren(...lines.map((each) => make("li", {}, each)));
  at("confirm-fields").replaceChildren(...fields);
  write(at("confirm-alert"), "");
  write(at("confirm-no"), no);
  write(at("confirm-yes"), yes);
  at("confirm-yes").className = isFinal ? "final" : "primary";
  decided = { view, busy, run, failed: failed || (() => false) };
  at("confirm").showModal();
  if (!fields.length) at("confirm-no").focus(); // what cannot be undone is not the next key's
}

function confirm(event) {
  event.preventDefault();
  const { view, busy, run, failed } = decided;
  write(at("confirm-alert"), "");
  const change = async () => {
    const changed = await run();
    if (!changed) return; // something is missing, and the field says so
    at("confirm").close();
    write(at("mine-note"), readable(changed.message, OWN_ZONE) || "Done.");
    await refresh();
    const item = shown.get(view.meeting_id);
    (item ? item.item.querySelector("h4") : at("mine-title")).focus();
  };
  const refused = (trouble) => {
    if (!failed(trouble)) write(at("confirm-alert"), readable(trouble.message, OWN_ZONE));
  };
  write(at("mine-note"), "");
  work(at("confirm-yes"), busy, change, refused);
}

const patch = (view, body) => request("PATCH", pathOf(view), { body, sure: NO_HARM });
const remove = (view) => request("DELETE", pathOf(view), { sure: NO_HARM });

function openMove(view) {
  const area = make("div");
  openDialog(view, {
    title: "Move this meeting?",
    fields: [area],
    lines: ["The links stay the same.", ...notified(view, "with the new time")],
    no: "Keep the time",
    yes: "Move the meeting",
    busy: "Moving …",
    run: async () => {
      fields.clearErrors();
      const wrong = fields.check();
      if (wrong) wrong.focus();
      return wrong ? null : patch(view, { meet_time: fields.value().text });
    },
    failed: ({ answer }) => {
      const text = textOf((answer.errors || {}).meet_time);
      if (!answer.limit && !text) return false;
      const content = answer.limit
        ? limitContent(answer, fields, at("confirm-yes"))
        : [`The time ${readable(text, fields.zone())}.`];
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
      ...notified(view, "with the new end"),
    ],
    no: "Keep the length",
    yes: "Change the length",
    busy: "Changing …",
    run: async () => {
      setError([select], error);
      return patch(view, { duration_minutes: minutesOf(select) });
    },
    failed: ({ answer }) => {
      const text = textOf((answer.errors || {}).duration_minutes);
      if (!answer.limit && !text) return false;
      const limit = LIMITS[answer.limit] || textOf(answer.message);
      setError([select], error, answer.limit ? `${limit} Choose a shorter length.` : `The length ${text}.`);
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
      ...notified(view, "that it is cancelled"),
    ],
    no: "Keep the meeting",
    yes: "Cancel the meeting",
    busy: "Cancelling …",
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
    run: () => remove(view),
    isFinal: true,
  });
}

at("confirm-form").addEventListener("submit", confirm);
at("confirm-no").addEventListener("click", () => closeDialog());
at("confirm").addEventListener("cancel", (event) => {
  if (at("confirm-yes").ariaDisabled === "true") event.preventDefault();
});

function closeDialog() {
  if (at("confirm-yes").ariaDisabled !== "true") at("confirm").close();
}
