// Keeps the offline check-in on the phone (KEPT, PAGE and FILES stand above this): with a connection nothing is different;
// without one, or while the hub is broken, a scanned code opens the kept page.
const PATIENCE_MS = 10000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = (name) => name !== KEPT;
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

async function page(request) {
  try {
    const late = new Promise((_, reject) => setTimeout(reject, PATIENCE_MS));
    const answer = await Promise.race([fetch(request), late]);
    if (answer.status < 500) return answer;
  } catch {
    // below
  }
  return caches.match(PAGE);
}

self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.mode === "navigate" && pathname === "/patrol/checkin") event.respondWith(page(event.request));
  else if (FILES.includes(pathname)) event.respondWith(fetch(event.request).catch(() => caches.match(pathname)));
});
