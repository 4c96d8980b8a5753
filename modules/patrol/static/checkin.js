// A guard's check-ins. Captured with the phone's clocks, kept on the phone until the hub has answered for each, and sent
// whenever there is a connection: a cellar without one loses nothing. The hub decides what time it was. Every scan may
// open a tab of its own, so each check-in is one entry of the store, and no tab writes down what another one keeps.
const ENTRY = "hub-patrol-checkin-";
const PHONE = "hub-patrol-phone";
const COUNTER = "hub-patrol-counter";
const AGAIN_MS = 15000;
const MOST = 200;
const MOST_CODE = 300;
const MOST_VALUE = 1e12;
const SHOWN = 20;
const FORM = "hub-patrol-form"; // what the offline page shows
const OF_CONTENT = [400, 413, 422]; // answers that another batch need not get; all others are tried again

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const boot = random();
const clock = () => ({ wall_ms: Date.now(), monotonic_ms: performance.now(), boot });

function kept(name, make) {
  let value = localStorage.getItem(name);
  if (value === null) localStorage.setItem(name, (value = make()));
  return value;
}

const put = (one) => localStorage.setItem(ENTRY + one.counter, JSON.stringify(one));
const found = (counter) => JSON.parse(localStorage.getItem(ENTRY + counter));
const all = () =>
  Object.keys(localStorage).filter((key) => key.startsWith(ENTRY)).map((key) => JSON.parse(localStorage.getItem(key)))
    .filter(Boolean).sort((one, other) => one.counter - other.counter);

function nextCounter() {
  let counter = Number(localStorage.getItem(COUNTER) || 0) + 1;
  while (localStorage.getItem(ENTRY + counter) !== null) counter++;
  localStorage.setItem(COUNTER, counter);
  return counter;
}

export const lastForm = () => JSON.parse(localStorage.getItem(FORM));

export default {
  template: `
    <div>
      <section class="panel">
        <p v-if="offline" class="chip" role="status" style="margin-bottom: 8px"><i aria-hidden="true">!</i>{{ t.offline }}</p>
        <p v-if="drift" class="chip ill" role="status" style="margin-bottom: 8px"><i aria-hidden="true">!</i>{{ t.drift }} {{ drift }} s</p>
        <label class="field" style="margin-top: 0"><span>{{ t.code }}</span>
          <input class="search" v-model.trim="code" type="text" maxlength="300" autocapitalize="none" autocomplete="off" spellcheck="false"></label>
        <label v-if="canScan" class="ghost" style="margin-top: 8px">{{ t.scan }}
          <input type="file" accept="image/*" capture="environment" class="sr" @change="scan"></label>
        <p v-if="code && !place" class="wrong" role="alert" style="color: var(--p2); margin-top: 8px">{{ t.unknown }}</p>
        <template v-if="place">
          <h2 style="margin-top: 16px; font-size: 20px; line-height: 28px">{{ place.name }}</h2>
          <div v-for="item in place.items" :key="item.id" class="field">
            <span :id="'i-' + item.id">{{ item.name }}</span>
            <div v-if="item.answer === 'yes_no'" class="segmented" role="group" :aria-labelledby="'i-' + item.id">
              <button type="button" :aria-pressed="String(answers[item.id] === true)" @click="answers[item.id] = true">✓ {{ t.yes }}</button>
              <button type="button" :aria-pressed="String(answers[item.id] === false)" @click="answers[item.id] = false">✕ {{ t.no }}</button>
            </div>
            <div v-else style="display: flex; gap: 8px; align-items: center">
              <input class="search" type="number" step="any" inputmode="decimal" :aria-labelledby="'i-' + item.id" v-model="answers[item.id]"><span>{{ item.unit }}</span>
            </div>
          </div>
          <label v-if="place.items.length" class="field"><span>{{ t.note }}</span>
            <input class="search" v-model="note" type="text" maxlength="500"></label>
          <p v-if="left" class="chip" role="status" style="margin-top: 8px"><i aria-hidden="true">!</i>{{ t.left }} {{ left }}</p>
          <button type="button" class="solid" style="width: 100%; justify-content: center; min-height: 56px; font-size: 18px; margin-top: 16px" @click="capture">{{ t.check_in }}</button>
        </template>
        <p v-if="wrong" class="wrong" role="alert" style="color: var(--p2); margin-top: 8px">{{ wrong }}</p>
        <p v-if="!code" class="muted" style="margin-top: 8px">{{ t.hint }}</p>
      </section>
      <section class="panel" aria-live="polite">
        <h2>{{ t.mine }} <small v-if="waiting.length">· {{ waiting.length }} {{ t.waiting }}</small></h2>
        <p v-if="!queue.length" class="empty-line">{{ t.none }}</p>
        <ul style="list-style: none; margin: 0; padding: 0">
          <li v-for="one in shown" :key="one.counter" style="display: flex; gap: 8px; align-items: baseline; padding: 8px 0; border-top: 1px solid var(--line); flex-wrap: wrap">
            <b style="flex: 1 1 140px">{{ name(one) }}</b><span class="muted">{{ time(one) }}</span>
            <span class="chip" :class="{ ill: one.state === 'refused', done: one.state === 'accepted' }"><i aria-hidden="true">{{ mark(one) }}</i>{{ word(one) }}</span>
          </li>
        </ul>
      </section>
    </div>`,
  props: { t: Object, account: String, places: Object, url: String, away: Boolean },
  data() {
    return { code: "", note: "", answers: {}, queue: all(), offline: this.away || !navigator.onLine, drift: 0, busy: false, wrong: "",
             canScan: "BarcodeDetector" in window };
  },
  computed: {
    bare() { return this.code.replace(/^.*#/, ""); },
    place() { return (this.bare.length <= MOST_CODE && this.places[this.bare.split(/[:~]/)[2]]) || null; },
    left() { return this.place.items.filter((item) => item.required && (this.answers[item.id] ?? "") === "").length; },
    waiting() { return this.queue.filter((one) => one.state === "waiting" && one.account === this.account); },
    shown() { return [...this.queue].reverse().slice(0, SHOWN); },
  },
  watch: { code() { this.answers = {}; this.note = this.wrong = ""; } },
  methods: {
    capture() {
      const answers = {};
      for (const item of this.place.items) {
        const given = this.answers[item.id];
        if (given === undefined || given === "") continue;
        answers[item.id] = item.answer === "yes_no" ? given : Number(given);
        if (!(Math.abs(answers[item.id]) < MOST_VALUE)) return void (this.wrong = `${item.name}: ${this.t.bad_answer}`);
      }
      try {
        put({ counter: nextCounter(), code: this.bare, clock: clock(), answers, note: this.note, account: this.account, state: "waiting" });
      } catch {
        return void (this.wrong = this.t.full);
      }
      this.code = "";
      this.read();
      this.sync();
    },
    read() {
      const done = all().filter((one) => one.state !== "waiting");
      for (const one of done.slice(0, -SHOWN)) localStorage.removeItem(ENTRY + one.counter);
      this.queue = all();
    },
    async sync() {
      if (this.away) return this.makeWay();
      if (this.busy || !this.waiting.length) return;
      this.busy = true;
      try {
        await this.send(this.waiting.slice(0, MOST));
        this.offline = false;
      } catch {
        this.offline = true;
      } finally {
        this.busy = false;
      }
    },
    // The kept page sends nothing: who is signed in by now, only the real one knows.
    async makeWay() {
      const answer = this.code || !navigator.onLine ? null : await fetch("/patrol/sw.js", { cache: "no-store" }).catch(() => null);
      if (answer?.ok && !this.code) location.reload();
    },
    async send(batch) {
      const checkins = batch.map(({ counter, code, clock, answers, note }) => ({ counter, code, clock, answers, note }));
      const answer = await fetch(this.url, {
        method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ phone: kept(PHONE, random), clock: clock(), checkins }),
      });
      if (answer.status === 401) return void location.assign("/login?next=/patrol/checkin");
      if (OF_CONTENT.includes(answer.status)) return this.divide(batch, await answer.json().catch(() => ({})));
      if (!answer.ok) return;
      const told = await answer.json();
      this.drift = Math.round(told.clock_error || 0);
      for (const { counter, outcome, code, detail, deviations } of told.results) {
        const state = outcome === "refused" ? "refused" : "accepted";
        this.settle(counter, { state, reason: code || "", detail, deviations: (deviations || []).length });
      }
      this.read();
    },
    // One check-in that the hub cannot even read must not hold up the others: halves, until it stands alone.
    async divide(batch, { code, detail, errors }) {
      if (batch.length === 1) {
        this.settle(batch[0].counter, { state: "refused", reason: code || "", detail: errors?.length ? errors[0].message : detail });
        return this.read();
      }
      const half = batch.length >> 1;
      await this.send(batch.slice(0, half));
      await this.send(batch.slice(half));
    },
    settle(counter, outcome) {
      const one = found(counter);
      if (one && one.state === "waiting") put({ ...one, ...outcome }); // else another tab was told first
    },
    async scan(event) {
      const [file] = event.target.files;
      event.target.value = "";
      if (!file) return;
      const [found] = await new BarcodeDetector({ formats: ["qr_code"] }).detect(await createImageBitmap(file));
      this.code = found ? found.rawValue : "?";
    },
    name(one) { const place = this.places[one.code.split(/[:~]/)[2]]; return place ? place.name : "—"; },
    time(one) { return new Date(one.clock.wall_ms).toTimeString().slice(0, 5); },
    mark(one) { return { waiting: "…", accepted: one.deviations ? "!" : "✓", refused: "✕" }[one.state]; },
    word(one) {
      if (one.state === "waiting") return one.account === this.account ? this.t.not_sent : `${this.t.other} ${one.account}`;
      if (one.state === "refused") return this.t[one.reason] || [this.t.refused, one.detail].filter(Boolean).join(": ");
      return one.deviations ? this.t.deviates : this.t.accepted;
    },
    other(event) { if (event.key === null || event.key.startsWith(ENTRY)) this.read(); },
    online() { this.offline = this.away || !navigator.onLine; this.sync(); },
    remember() {
      const { t, account, places, url } = this.$props;
      try {
        localStorage.setItem(FORM, JSON.stringify({ t, account, places, url, lang: document.documentElement.lang }));
      } catch {
        // no room: the offline page shows what it showed before
      }
      navigator.serviceWorker?.register("/patrol/sw.js", { scope: "/patrol/checkin" }).catch(() => {}); // only over HTTPS
    },
  },
  mounted() {
    if (!this.away) this.remember();
    if (location.hash.length > 1) {
      this.code = decodeURIComponent(location.hash.slice(1));
      history.replaceState(null, "", location.pathname);
    }
    this.timer = setInterval(() => this.sync(), AGAIN_MS);
    addEventListener("online", this.online);
    addEventListener("offline", this.online);
    addEventListener("storage", this.other);
    this.sync();
  },
  unmounted() {
    clearInterval(this.timer);
    removeEventListener("online", this.online);
    removeEventListener("offline", this.online);
    removeEventListener("storage", this.other);
  },
};
