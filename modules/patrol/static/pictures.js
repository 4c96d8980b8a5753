// Photographs on the phone, kept until the hub has them. IndexedDB takes megabytes, and needs no HTTPS.
import { random } from "./queue.js";

const STORE = "pictures";
const MOST = 60;
const MOST_BYTES = 40 * 2 ** 20;
export const MOST_SENT = 5e6; // what the hub takes of one
const ORPHAN_MS = 24 * 3600 * 1000;

function opened() {
  return new Promise((done, fail) => {
    const request = indexedDB.open("hub-patrol", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" }).createIndex("size", "size");
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}

async function within(mode, work) {
  const base = await opened();
  try {
    return await new Promise((done, fail) => {
      const transaction = base.transaction(STORE, mode, { durability: "strict" });
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => done(request?.result);
      transaction.onabort = () => fail(transaction.error || new Error("full"));
    });
  } finally {
    base.close();
  }
}

// Its id; its first letters tell when it was kept. Fails when the phone holds too many: none is dropped for a newer one.
export async function keep({ type, bytes }) {
  const one = { id: Date.now().toString(16).padStart(12, "0") + random(), type, bytes, size: bytes.byteLength };
  await within("readwrite", (store) => {
    let count = 0, held = 0;
    store.index("size").openKeyCursor().onsuccess = ({ target: { result: cursor } }) => {
      if (cursor) {
        count += 1;
        held += cursor.key;
        cursor.continue();
      } else if (count >= MOST || held + one.size > MOST_BYTES) store.transaction.abort();
      else store.put(one);
    };
  });
  return one.id;
}

export const get = (id) => within("readonly", (store) => store.get(id));
export const remove = (id) => within("readwrite", (store) => store.delete(id));

// Those of forms that were never handed in.
export async function sweep(known) {
  const old = (id) => !known.has(id) && Date.now() - parseInt(id.slice(0, 12), 16) > ORPHAN_MS;
  for (const id of (await within("readonly", (store) => store.getAllKeys())).filter(old)) await remove(id);
}

// All codes that the browser itself reads in it; none where it cannot.
export async function detect({ type, bytes }) {
  try {
    const codes = await new BarcodeDetector({ formats: ["qr_code"] }).detect(await createImageBitmap(new Blob([bytes], { type })));
    return codes.map((one) => one.rawValue);
  } catch {
    return [];
  }
}
