// The texts of the page in the language of the browser, or the one that was chosen before.

import en from "./text.en.js";
import ko from "./text.ko.js";

export const LANGUAGES = { en, ko };
const STORED = "mnistry-language";

function preferred() {
  const wanted = [stored(), ...navigator.languages.map((each) => each.split("-")[0])];
  return wanted.find((each) => Object.hasOwn(LANGUAGES, each)) ?? "en";
}

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

export const language = preferred();
export const text = LANGUAGES[language];

// Puts the texts into the elements that name one: `data-text` for the content, `data-label` for the accessible name.
export function translate(root) {
  document.documentElement.lang = language;
  document.title = text.title;
  for (const each of root.querySelectorAll("[data-text]")) each.textContent = text[each.dataset.text];
  for (const each of root.querySelectorAll("[data-label]")) each.setAttribute("aria-label", text[each.dataset.label]);
}

export function chooser(select) {
  const names = Object.entries(LANGUAGES);
  select.replaceChildren(...names.map(([name, each]) => new Option(each.language, name, false, name === language)));
  select.closest("label").hidden = names.length < 2;
  select.addEventListener("change", () => {
    try {
      localStorage.setItem(STORED, select.value);
    } catch {
      return;
    }
    location.reload();
  });
}
