// One rule's YAML: numbered lines, what is wrong with it beside them. The text belongs to the browser until it rests.
const REST_MS = 400;

export default {
  template: `
    <div class="rule-editor">
      <div class="rule-text">
        <pre class="gutter" aria-hidden="true" ref="gutter"><span v-for="n in count" :key="n" :class="{ wrong: marks.has(n) }">{{ n }}</span></pre>
        <textarea ref="area" class="mono" wrap="off" spellcheck="false" autocapitalize="off" autocomplete="off" :maxlength="most"
          :aria-label="label" :aria-invalid="problems.length > 0" :readonly="readonly" v-model="typed" @input="later" @blur="now"
          @keydown.enter="indent" @scroll="follow"></textarea>
      </div>
      <div class="rule-problems" role="status" aria-live="polite">
        <ul v-if="problems.length"><li v-for="(p, index) in problems" :key="index">
          <button type="button" class="ghost small" @click="jump(p.line)">{{ word }} {{ p.line }}</button> <span>{{ p.message }}</span></li></ul>
        <p v-else class="fine">✓ {{ fine }}</p>
      </div>
    </div>`,
  props: { label: String, word: String, fine: String, most: Number, readonly: Boolean, problems: Array, given: Object },
  data() { return { typed: this.given.text, told: this.given.text, timer: 0 }; },
  computed: {
    count() { return this.typed.split("\n").length; },
    marks() { return new Set(this.problems.map((p) => p.line)); },
  },
  watch: { "given.turn"() { clearTimeout(this.timer); this.typed = this.told = this.given.text; } },  // never for the same text again
  methods: {
    later() { clearTimeout(this.timer); this.timer = setTimeout(this.now, REST_MS); },
    now() {  // also before a button is pressed: it is about what stands here
      clearTimeout(this.timer);
      if (this.typed !== this.told) this.$emit("edited", (this.told = this.typed));
    },
    follow() { this.$refs.gutter.scrollTop = this.$refs.area.scrollTop; },
    indent(event) {  // a new line begins where the one above does
      const area = this.$refs.area, at = area.selectionStart;
      const line = area.value.slice(area.value.lastIndexOf("\n", at - 1) + 1, at);
      const blank = /^ */.exec(line)[0];
      if (!blank || this.readonly) return;
      event.preventDefault();
      area.setRangeText("\n" + blank, at, area.selectionEnd, "end");
      this.typed = area.value;
      this.later();
    },
    jump(line) {
      const area = this.$refs.area, lines = this.typed.split("\n");
      const begin = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
      area.focus();
      area.setSelectionRange(begin, begin + (lines[line - 1] ?? "").length);
      area.scrollTop = Math.max(0, (line - 4) * 20);
    },
  },
};
