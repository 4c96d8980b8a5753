// A screen at a checkpoint: a fresh code every 20 s. One that is too old to be taken is not shown: better none.
const EACH_MS = 20000;
const [name, code, scan, none] = ["name", "code", "scan", "none"].map((id) => document.getElementById(id));
let until = 0;

function show(given) {
  if (given) {
    until = performance.now() + given.life_s * 1000 - EACH_MS / 2;
    name.textContent = code.alt = given.name;
    code.src = given.image;
  }
  const fresh = performance.now() < until;
  code.hidden = scan.hidden = !fresh;
  none.hidden = fresh;
}

async function renew() {
  try {
    const answer = await fetch(location.pathname, { method: "POST", credentials: "omit", body: location.hash.slice(1) });
    if (answer.status === 403) until = 0; // the codes were renewed: this screen is to be opened anew
    show(answer.ok ? await answer.json() : null);
  } catch {
    show(null);
  }
}

renew();
setInterval(renew, EACH_MS);
setInterval(() => show(null), 1000);
