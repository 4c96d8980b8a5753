// A guard's check-ins. Captured with the phone's clocks, kept on the phone until the hub has answered for each, and sent
// whenever there is a connection: a cellar without one loses nothing. The hub decides what time it was. A code that the
// browser cannot read is photographed; without a connection the photograph waits, and the hub reads it later.
import { ENTRY, all, change, clock, drop, keepDraft, keepForm, lastDraft, lastForm, nextCounter, phone, put } from "/patrol/static/queue.js";
import * as pictures from "/patrol/static/pictures.js";
import { able, locate } from "/patrol/static/position.js";
import { shrink } from "/static/shrink.js";

const AGAIN_MS = 15000;
const PATIENCE_MS = 30000, LONGEST_MS = 300000, SLOWEST = 100; // kbit/s
const TOO_SLOW = 408;
const MOST = 200;
const MOST_CODE = 300;
const MOST_VALUE = 1e12;
const MOST_PICTURES = 3;
const SHOWN = 20;
const FOR_GOOD = [400, 404, 409, 413, 422]; // ... and of photographs
const OF_CONTENT = [400, 413, 422]; // answers that another batch need not get; all others are tried again

export { lastForm };

const bare = (code) => code.replace(/^.*#/, "");
const named = (one) => one.phone || phone(); // kept at the capture: tabs may each have drawn a name at once
const checkpointOf = (code) => code.split(/[:~]/)[2];
const blank = () => ({ code: "", shot: null, claimed: "", note: "", answers: {}, photos: [] });

export default {
  template: `
    <div>
      <section class="panel">
        <p v-if="offline" class="chip" role="status" style="margin-bottom: 8px"><i aria-hidden="true">!</i>{{ t.offline }}</p>
        <p v-if="drift" class="chip ill" role="status" style="margin-bottom: 8px"><i aria-hidden="true">!</i>{{ t.drift }} {{ drift }} s</p>
        <label v-if="!place && !shot" class="solid" style="width: 100%; min-height: 56px; font-size: 18px; justify-content: center; margin-bottom: 16px">
          {{ working ? t.working : t.scan }}<input type="file" accept="image/*" capture="environment" class="sr" @change="photograph"></label>
        <label v-if="!shot" class="field" style="margin-top: 0"><span>{{ t.code }}</span>
          <input class="search" v-model.trim="code" @input="forget" type="text" maxlength="300" autocapitalize="none" autocomplete="off" spellcheck="false"></label>
        <p v-if="code && !place" class="wrong" role="alert" style="color: var(--p2); margin-top: 8px">{{ t.unknown }}</p>
        <template v-if="shot">
          <div style="display: flex; gap: 12px; align-items: center">
            <img v-if="shot.thumb" :src="shot.thumb" alt="" style="height: 72px; border-radius: 4px"><p role="status">{{ t.kept }}</p>
          </div>
          <label class="field"><span>{{ t.where }}</span>
            <select class="search" v-model="claimed" @change="claim">
              <option value="">{{ t.unsaid }}</option><option v-for="(one, id) in places" :key="id" :value="id">{{ one.name }}</option>
            </select></label>
        </template>
        <template v-if="place || shot">
          <h2 v-if="place" style="margin-top: 16px; font-size: 20px; line-height: 28px">{{ place.name }}</h2>
          <div v-for="item in place ? place.items : []" :key="item.id" class="field">
            <span :id="'i-' + item.id">{{ item.name }}</span>
            <div v-if="item.answer === 'yes_no'" class="segmented" role="group" :aria-labelledby="'i-' + item.id">
              <button type="button" :aria-pressed="String(answers[item.id] === true)" @click="answers[item.id] = true">✓ {{ t.yes }}</button>
              <button type="button" :aria-pressed="String(answers[item.id] === false)" @click="answers[item.id] = false">✕ {{ t.no }}</button>
            </div>
            <div v-else style="display: flex; gap: 8px; align-items: center">
              <input class="search" type="number" step="any" inputmode="decimal" :aria-labelledby="'i-' + item.id" v-model="answers[item.id]"><span>{{ item.unit }}</span>
            </div>
            <label v-if="item.photo" class="ghost" style="justify-content: center">{{ t.photo_of }} {{ item.name }} · {{ of(item.id).length ? "✓" : t.needed }}
              <input type="file" accept="image/*" capture="environment" class="sr" :disabled="working" @change="attach($event, item.id)"></label>
          </div>
          <label v-if="place?.items.length" class="field"><span>{{ t.note }}</span>
            <input class="search" v-model="note" type="text" maxlength="500"></label>
          <label v-if="of('').length < most" class="ghost" style="margin-top: 16px; width: 100%; justify-content: center">{{ t.add_photo }} ({{ of("").length }}/{{ most }})
            <input type="file" accept="image/*" capture="environment" class="sr" :disabled="working" @change="attach($event, '')"></label>
          <ul v-if="photos.length" class="pictures" style="margin-top: 8px; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr))">
            <li v-for="(one, index) in photos" :key="one.id" style="position: relative">
              <img v-if="one.thumb" :src="one.thumb" alt="" style="height: 72px; border-radius: 4px"><span v-else>✓</span>
              <button type="button" style="height: 44px" :aria-label="t.remove + ' ' + (index + 1)" @click="detach(one)">✕</button></li>
          </ul>
          <p v-if="left" class="chip" role="status" style="margin-top: 8px"><i aria-hidden="true">!</i>{{ t.left }} {{ left }}</p>
          <p v-if="missing" class="chip" role="status" style="margin-top: 8px"><i aria-hidden="true">!</i>{{ t.missing }} {{ missing }}</p>
          <p v-if="located" class="muted" style="margin-top: 16px">{{ t.position }}</p>
          <button type="button" class="solid" style="width: 100%; justify-content: center; min-height: 56px; font-size: 18px; margin-top: 16px" @click="capture">{{ t.check_in }}</button>
          <button v-if="shot" type="button" class="ghost" style="width: 100%; justify-content: center; margin-top: 8px" @click="discard()">{{ t.discard }}</button>
        </template>
        <p v-if="wrong" class="wrong" role="alert" style="color: var(--p2); margin-top: 8px">{{ wrong }}</p>
        <p v-if="!code && !shot" class="muted" style="margin-top: 8px">{{ t.hint }}</p>
      </section>
      <section class="panel" aria-live="polite">
        <h2>{{ t.mine }} <small v-if="waiting.length">· {{ waiting.length }} {{ t.waiting }}</small></h2>
        <p v-if="!queue.length" class="empty-line">{{ t.none }}</p>
        <ul style="list-style: none; margin: 0; padding: 0">
          <li v-for="one in shown" :key="one.counter" style="display: flex; gap: 8px; align-items: center; padding: 8px 0; border-top: 1px solid var(--line); flex-wrap: wrap">
            <img v-if="holds(one) && one.thumb" :src="one.thumb" alt="" style="height: 44px; border-radius: 4px">
            <b style="flex: 1 1 140px">{{ name(one) }}</b><span class="muted">{{ time(one) }}</span>
            <span class="chip" :class="{ ill: one.state === 'refused', done: one.state === 'accepted' }"><i aria-hidden="true">{{ mark(one) }}</i>{{ word(one) }}</span>
            <button v-if="done(one) && holds(one)" type="button" class="ghost" @click="dismiss(one)">{{ t.dismiss }}</button>
          </li>
        </ul>
      </section>
    </div>`,
  props: { t: Object, account: String, places: Object, url: String, reader: String, away: Boolean },
  data() {
    return { ...blank(), queue: all(), offline: this.away || !navigator.onLine, drift: 0, busy: false, working: false, wrong: "", most: MOST_PICTURES };
  },
  computed: {
    bare() { return bare(this.code); },
    place() { return (this.shot ? this.places[this.claimed] : this.placeOf(this.code)) || null; },
    left() { return this.place ? this.place.items.filter((item) => item.required && (this.answers[item.id] ?? "") === "").length : 0; },
    missing() { return this.place ? this.place.items.filter((item) => item.photo && !this.of(item.id).length).length : 0; },
    located() { return able() && Boolean(this.place ? this.place.placed : this.shot && this.placed); },
    placed() { return Object.values(this.places).some((one) => one.placed); },
    mine() { return this.queue.filter((one) => one.account === this.account); },
    waiting() { return this.mine.filter((one) => one.state === "waiting"); },
    unsent() { return this.mine.filter((one) => one.state === "accepted" && one.photos?.length); },
    shown() {
      const kept = [...this.queue].reverse();
      return [...kept.slice(0, SHOWN), ...kept.slice(SHOWN).filter(this.holds)];
    },
    draft() {
      const { code, shot, claimed, note, answers, photos, account } = this;
      return shot || photos.length ? { code, shot, claimed, note, answers, photos, account } : null;
    },
  },
  watch: {
    draft: { deep: true, handler(draft, before) { if (draft || before) keepDraft(draft); } },
  },
  methods: {
    begin(code = "") { Object.assign(this, { ...blank(), code, wrong: "" }); },
    discard(code = "") {
      for (const one of [this.shot, ...this.photos]) if (one) pictures.remove(one.id);
      this.begin(code);
    },
    placeOf(code) { return (bare(code).length <= MOST_CODE && this.places[checkpointOf(bare(code))]) || null; },
    forget() { this.discard(this.code); },
    claim() {
      this.answers = {};
      for (const one of this.photos) if (one.item) this.detach(one);
    },
    of(item) { return this.photos.filter((one) => one.item === item); },
    async attach(event, item) {
      const [file] = event.target.files;
      event.target.value = "";
      if (!file || this.working) return;
      this.wrong = "";
      this.working = true;
      try {
        const picture = await shrink(file);
        if (picture.bytes.byteLength > pictures.MOST_SENT) this.wrong = this.t.picture_too_large;
        else this.photos = [...this.photos, { id: await pictures.keep(picture), item, thumb: picture.thumb }];
      } catch {
        this.wrong = this.t.no_room;
      } finally {
        this.working = false;
      }
    },
    detach({ id }) {
      this.photos = this.photos.filter((one) => one.id !== id);
      pictures.remove(id);
    },
    async photograph(event) {
      const [file] = event.target.files;
      event.target.value = "";
      if (!file || this.working) return;
      const taken = clock();
      const where = this.placed ? locate() : null;
      this.begin();
      this.working = true;
      try {
        const picture = await shrink(file);
        const here = (await pictures.detect(picture)).find((one) => this.placeOf(one)); // foreign ones may hang beside it
        const { code, reason, detail } = here ? { code: here } : await this.ask("POST", this.reader, picture);
        if (code) this.code = code;
        else if (reason) this.wrong = this.t[reason] || detail || this.t.refused;
        else {
          this.shot = { id: await pictures.keep(picture), thumb: picture.thumb, clock: taken, position: null };
          this.where = this.settleShot(this.shot.id, where);
        }
      } catch {
        this.wrong = this.t.no_room;
      } finally {
        this.working = false;
      }
    },
    // Where the phone was when it was taken: kept with it, for the page may be gone before it is handed in.
    async settleShot(id, where) {
      const position = await where;
      if (this.shot?.id === id) this.shot.position = position;
      return position;
    },
    // What the hub says of a photograph: its answer, or {reason} for good, or {status} for now, also when it is
    // too slow; {} without a connection.
    async ask(method, url, { type, bytes }) {
      if (bytes.byteLength > pictures.MOST_SENT) return { reason: "picture_too_large" };
      if (this.away || !navigator.onLine) return {};
      const patience = new AbortController();
      const timer = setTimeout(() => patience.abort(), Math.min(LONGEST_MS, PATIENCE_MS + bytes.byteLength * 8 / SLOWEST));
      try {
        const answer = await fetch(url, {
          method, credentials: "same-origin", headers: { "Content-Type": type }, body: bytes, signal: patience.signal,
        });
        if (answer.ok) return await answer.json();
        if (!FOR_GOOD.includes(answer.status)) return { status: answer.status };
        const { code, detail } = await answer.json().catch(() => ({}));
        return { reason: code || "refused", detail };
      } catch {
        return patience.signal.aborted ? { status: TOO_SLOW } : {};
      } finally {
        clearTimeout(timer);
      }
    },
    capture() {
      const answers = {};
      for (const item of this.place ? this.place.items : []) {
        const given = this.answers[item.id];
        if (given === undefined || given === "") continue;
        answers[item.id] = item.answer === "yes_no" ? given : Number(given);
        if (!(Math.abs(answers[item.id]) < MOST_VALUE)) return void (this.wrong = `${item.name}: ${this.t.bad_answer}`);
      }
      const { shot, claimed, note, account } = this;
      const photos = this.photos.map(({ id, item }) => ({ id, item }));
      const read = shot ? { code: "", clock: shot.clock, photo: shot.id, thumb: shot.thumb, claimed } : { code: this.bare, clock: clock() };
      const where = !this.located ? null : shot ? shot.position || this.where : locate();
      const counter = nextCounter();
      try {
        put({ counter, phone: phone(), ...read, answers, note, account, photos, state: "waiting" });
      } catch {
        return void (this.wrong = this.t.full);
      }
      this.begin();
      this.read();
      this.complete(counter, where);
    },
    // It is kept already; only for its position it waits a few seconds before this page sends it.
    async complete(counter, where) {
      this.locating.add(counter);
      const position = await where;
      this.locating.delete(counter);
      try {
        if (position) change(counter, (one) => one.state === "waiting" && { ...one, position });
      } catch {
        // no room: it goes without
      }
      this.read();
      this.sync();
    },
    read() {
      const done = all().filter((one) => one.state !== "waiting" && !this.holds(one));
      for (const one of done.slice(0, -SHOWN)) drop(one.counter);
      this.queue = all();
    },
    async sync() {
      if (this.away) return this.makeWay();
      if (this.busy || !(this.waiting.length || this.unsent.length)) return;
      this.busy = true;
      try {
        await this.sendRead();
        for (const one of this.waiting.filter((one) => one.photo)) await this.develop(one);
        for (const one of this.unsent) await this.sendPhotos(one);
        this.offline = false;
      } catch {
        this.offline = true;
      } finally {
        this.busy = false;
      }
    },
    async sendRead() {
      const ready = this.waiting.filter((one) => !one.photo && !this.locating.has(one.counter));
      for (const name of new Set(ready.map(named))) await this.send(ready.filter((one) => named(one) === name).slice(0, MOST));
    },
    // A photographed code becomes one that was read, with the time of the photograph; or says for good that it is none.
    async develop({ counter, photo, claimed }) {
      const picture = await pictures.get(photo);
      const { code, reason, detail, status } = picture ? await this.ask("POST", this.reader, picture) : { reason: "lost" };
      if (status === 401) return this.signIn();
      if (code) {
        const mistaken = claimed && checkpointOf(code) !== claimed;
        const plain = (one) => ({ answers: {}, photos: one.photos.map(({ id }) => ({ id, item: "" })) });
        change(counter, (one) => one.photo && { ...one, ...(mistaken ? plain(one) : {}), code, photo: "", thumb: "", mistaken });
        await pictures.remove(photo);
      } else if (reason) change(counter, (one) => one.state === "waiting" && one.photo === photo && { ...one, state: "refused", reason, detail });
      else if (!status) throw new Error("no connection");
      this.read();
      await this.sendRead();
    },
    async sendPhotos(kept) {
      const { counter, photos } = kept;
      for (const { id, item } of photos) {
        const url = `${this.url}/${named(kept)}/${counter}/photographs/${id}?item=${item}`;
        const picture = await pictures.get(id);
        const { outcome, reason, status } = picture ? await this.ask("PUT", url, picture) : { reason: "lost" };
        if (status === 401) return this.signIn();
        if (!outcome && !reason && !status) throw new Error("no connection");
        await this.sendRead(); // photographs hold up no check-in
        if (!outcome && !reason) continue;
        const rest = (one) => one.photos.filter((other) => other.id !== id);
        const failed = (one) => (reason ? [...(one.failed || []), { id, reason }] : one.failed);
        const still = (one) => one.photos?.some((other) => other.id === id); // another tab may have sent it, and it is gone here
        change(counter, (one) => still(one) && { ...one, photos: rest(one), failed: failed(one) });
        if (outcome) await pictures.remove(id);
        this.read();
      }
    },
    signIn() { location.assign("/login?next=/patrol/checkin"); },
    // The kept page sends nothing: who is signed in by now, only the real one knows.
    async makeWay() {
      const shown = this.code || this.shot || this.working; // somebody fills in the form
      const answer = shown || !navigator.onLine ? null : await fetch("/patrol/sw.js", { cache: "no-store" }).catch(() => null);
      if (answer?.ok && !this.code && !this.shot && !this.working) location.reload();
    },
    async send(batch) {
      const asked = ({ code, position }) => (this.places[checkpointOf(code)]?.placed ? position : undefined); // else nobody needs it
      const checkins = batch.map((one) => {
        const { counter, code, clock, answers, note } = one;
        return { counter, code, clock, answers, note, position: asked(one) };
      });
      const answer = await fetch(this.url, {
        method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ phone: named(batch[0]), clock: clock(), checkins }),
      });
      if (answer.status === 401) return this.signIn();
      if (OF_CONTENT.includes(answer.status)) return this.divide(batch, await answer.json().catch(() => ({})));
      if (!answer.ok) return;
      const told = await answer.json();
      this.drift = Math.round(told.clock_error || 0);
      for (const { counter, outcome, code, detail, deviations, away } of told.results) {
        const state = outcome === "refused" ? "refused" : "accepted";
        this.settle(counter, { state, reason: code || "", detail, deviations: (deviations || []).length, away });
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
    settle(counter, outcome) { // unless another tab was told first
      change(counter, (one) => one.state === "waiting" && { ...one, ...outcome, position: undefined });
    },
    ids(one) { return [one.photo, ...(one.photos || []).map(({ id }) => id), ...(one.failed || []).map(({ id }) => id)].filter(Boolean); },
    holds(one) { return this.ids(one).length > 0; },
    done(one) { return one.state === "refused" || (one.state === "accepted" && !one.photos?.length); },
    async dismiss(one) {
      for (const id of this.ids(one)) await pictures.remove(id);
      drop(one.counter);
      this.read();
    },
    name(one) { return this.places[checkpointOf(one.code) || one.claimed]?.name || (one.photo ? this.t.photograph : "—"); },
    time(one) { return new Date(one.clock.wall_ms).toTimeString().slice(0, 5); },
    mark(one) { return { waiting: "…", accepted: one.photos?.length ? "…" : one.deviations || one.away || one.mistaken || one.failed?.length ? "!" : "✓", refused: "✕" }[one.state]; },
    word(one) {
      if (one.state === "waiting") return one.account === this.account ? this.t.not_sent : `${this.t.other} ${one.account}`;
      if (one.state === "refused") return this.t[one.reason] || [this.t.refused, one.detail].filter(Boolean).join(": ");
      if (one.photos?.length) return `${this.t.accepted} · ${one.photos.length} ${this.t.photos_left}`;
      if (one.failed?.length) return `${this.t.photo_failed} ${this.t[one.failed[0].reason] || one.failed[0].reason}`;
      if (one.mistaken || one.deviations) return one.mistaken ? this.t.mistaken : this.t.deviates;
      return one.away ? `${this.t.far} ${one.away} m` : this.t.accepted;
    },
    other(event) { if (event.key === null || event.key.startsWith(ENTRY)) this.read(); },
    online() { this.offline = this.away || !navigator.onLine; this.sync(); },
    remember() {
      const { t, account, places, url, reader } = this.$props;
      try {
        keepForm({ t, account, places, url, reader, lang: document.documentElement.lang });
      } catch {
        // no room: the offline page shows what it showed before
      }
      navigator.serviceWorker?.register("/patrol/sw.js", { scope: "/patrol/checkin" }).catch(() => {}); // only over HTTPS
    },
    restore() {
      const { account, ...draft } = lastDraft() || {};
      if (draft.photos && account === this.account && (!this.code || this.code === draft.code)) Object.assign(this, { ...blank(), ...draft });
      const known = [draft.shot, ...(draft.photos || [])].map((one) => one?.id).concat(all().flatMap(this.ids));
      pictures.sweep(new Set(known)).catch(() => {}); // no store for pictures in this browser: nothing to sweep
    },
  },
  created() {
    this.locating = new Set(); // check-ins whose position is being asked for
    this.where = null;
  },
  mounted() {
    if (!this.away) this.remember();
    if (location.hash.length > 1) {
      this.code = decodeURIComponent(location.hash.slice(1));
      history.replaceState(null, "", location.pathname);
    }
    this.restore();
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
