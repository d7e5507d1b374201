// Signing in and out.

const NO_KEY = "This is not a key. Copy it again, all of it.";
const WRONG_KEY = "This key is not valid. Check that you have copied all of it, or ask for a new one.";

function show(view) {
  at("ask").hidden = view !== "ask";
  at("app").hidden = view !== "app";
  at("who").hidden = view !== "app";
}

function signIn(event) {
  event.preventDefault();
  const input = at("key");
  const refuse = (text) => {
    setError([input], at("key-error"), text);
    input.focus();
  };
  work(
    at("ask-go"),
    "Signing in …",
    async () => {
      write(at("ask-alert"), "");
      setError([input], at("key-error"));
      const text = input.value.trim();
      if (!/^[!-~]+$/.test(text)) {
        refuse(text ? NO_KEY : "Please enter your key.");
        return;
      }
      useKey(text);
      try {
        await load();
      } catch (trouble) {
        forgetKey();
        if (trouble.kind !== "key") throw trouble;
        refuse(WRONG_KEY);
        return;
      }
      keepKey(at("remember").checked);
      input.value = "";
      show("app");
      at(at("book").hidden ? "booked-title" : "book-title").focus();
    },
    (trouble) => write(at("ask-alert"), trouble.message.replace(KEEPS, "Please try again.")),
  );
}

// The API does not accept the key any more; what was entered stays.
function signInAgain() {
  forgetKey();
  clearTimeout(timer);
  at("confirm").close();
  show("ask");
  write(at("ask-alert"), `Your key is not valid any more. Please sign in again. ${KEEPS}`);
  at("key").focus();
}

function signOut() {
  forgetKey();
  clearTimeout(timer);
  loads += 1;
  pages = 1;
  attempt = {};
  shown.clear();
  for (const id of ["mine-list", "booked-links", "booked-mails", "ask-alert", "mine-note", "mine-alert", "caller"]) {
    at(id).replaceChildren();
  }
  resetForm();
  bookAnother();
  at("remember").checked = false;
  show("ask");
  at("ask-title").focus();
  say("You are signed out, and the key is forgotten.");
}

at("ask-form").addEventListener("submit", signIn);
at("leave").addEventListener("click", signOut);
setClock(document.body.dataset.now);
resetForm();
document.querySelector("main").hidden = false;
useKey(keptKey());
if (key) {
  show("app");
  refresh();
} else {
  show("ask");
}
