// A button that sends one list (Excel or CSV) to an address of the hub, and tells what became of it.
export default {
  template: `
    <label class="ghost" :aria-busy="String(busy)">{{ busy ? t.busy : t.add }}
      <input type="file" accept=".xlsx,.csv,.txt" class="sr" :disabled="busy" @change="send"></label>`,
  props: { url: String, t: Object },
  emits: ["sent"],
  data() { return { busy: false }; },
  methods: {
    async send(event) {
      const [file] = event.target.files;
      event.target.value = "";
      if (!file) return;
      this.busy = true;
      try {
        const answer = await fetch(this.url, { method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/octet-stream" }, body: file });
        this.$emit("sent", await answer.json());
      } catch {
        this.$emit("sent", { code: "busy" });
      }
      this.busy = false;
    },
  },
};
