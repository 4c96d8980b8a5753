// What waits on the phone: each check-in is one entry of the browser's store, so no tab writes down what another one keeps.
export const ENTRY = "hub-patrol-checkin-";
const PHONE = "hub-patrol-phone";
const COUNTER = "hub-patrol-counter";
const DRAWN = 2 ** 30; // the hub takes numbers up to 2 ** 53: eight million check-ins of a phone
const FORM = "hub-patrol-form"; // what the offline page shows
const DRAFT = "hub-patrol-draft"; // a form with a photograph that was not handed in yet: the camera may have ended the page

export const random = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const boot = random();
export const clock = () => ({ wall_ms: Date.now(), monotonic_ms: performance.now(), boot });

export function phone() {
  let value = localStorage.getItem(PHONE);
  if (value === null) localStorage.setItem(PHONE, (value = random()));
  return value;
}

export const put = (one) => localStorage.setItem(ENTRY + one.counter, JSON.stringify(one));
export const found = (counter) => JSON.parse(localStorage.getItem(ENTRY + counter));
export const drop = (counter) => localStorage.removeItem(ENTRY + counter);
export const all = () =>
  Object.keys(localStorage).filter((key) => key.startsWith(ENTRY)).map((key) => JSON.parse(localStorage.getItem(key)))
    .filter(Boolean).sort((one, other) => one.counter - other.counter);

// Two tabs may count to the same number, for one sees late what the other wrote: what is drawn behind it tells them apart.
export function nextCounter() {
  const counter = Number(localStorage.getItem(COUNTER) || 0) + 1;
  localStorage.setItem(COUNTER, counter);
  return counter * DRAWN + (crypto.getRandomValues(new Uint32Array(1))[0] % DRAWN);
}

// Changes an entry as it stands now, for another tab may have written it meanwhile; null leaves it.
export function change(counter, how) {
  const one = found(counter);
  const other = one && how(one);
  if (other) put(other);
}

export const lastForm = () => JSON.parse(localStorage.getItem(FORM));
export const keepForm = (form) => localStorage.setItem(FORM, JSON.stringify(form));
export const lastDraft = () => JSON.parse(localStorage.getItem(DRAFT));
export const keepDraft = (draft) => (draft ? localStorage.setItem(DRAFT, JSON.stringify(draft)) : localStorage.removeItem(DRAFT));
