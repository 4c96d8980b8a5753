// A plain table that becomes cards on a phone. Every cell is text; a column of sort "action" is a button.
export default {
  template: `
    <div class="table-box">
      <table v-if="rows.length" class="hub-table">
        <thead><tr><th v-for="c in columns" :key="c.key" scope="col" :class="c.sort">{{ c.label }}</th></tr></thead>
        <tbody><tr v-for="(row, index) in rows" :key="row.id ?? index" :class="row.tone">
          <td v-for="c in columns" :key="c.key" :data-label="c.label" :class="[c.sort, { none: row[c.key] === '—' }]">
            <button v-if="c.sort === 'action'" type="button" class="ghost small" @click="$emit('action', row.id)">{{ c.label }}</button>
            <a v-else-if="c.sort === 'link'" :href="row.href">{{ row[c.key] }}</a>
            <template v-else>{{ row[c.key] }}</template>
          </td></tr></tbody>
      </table>
      <p v-else class="empty-line" role="status">{{ empty }}</p>
    </div>`,
  props: { columns: Array, rows: Array, empty: String },
};
