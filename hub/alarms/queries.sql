-- name: lock_one
SELECT * FROM hub.alarm WHERE id = %(id)s AND community_id = %(community_id)s FOR UPDATE

-- name: lock_many
SELECT id, condition, state, latch, life_safety, shelvable, annunciated_at FROM hub.alarm WHERE id = ANY (%(ids)s) AND community_id = %(community_id)s
ORDER BY id FOR UPDATE

-- name: acknowledge
UPDATE hub.alarm a SET state = r.state, acknowledged_at = r.at, acknowledged_by = r.actor, changed_at = r.at,
  annunciate_at = NULL
FROM jsonb_to_recordset(%(rows)s) AS r (id bigint, state text, at timestamptz, actor text) WHERE a.id = r.id

-- name: reset
UPDATE hub.alarm SET state = %(state)s, changed_at = %(at)s WHERE id = %(id)s

-- name: shelve
UPDATE hub.alarm a SET suppression = 'shelved', suppressed_until = r.until, suppressed_by = r.actor,
  suppression_reason = r.note, parent_alarm_id = NULL, annunciate_at = NULL, changed_at = r.at
FROM jsonb_to_recordset(%(rows)s) AS r (id bigint, until timestamptz, actor text, note text, at timestamptz)
WHERE a.id = r.id

-- name: put_shelf
INSERT INTO hub.alarm_shelf (community_id, condition, since, until, by, reason)
SELECT r.community_id, r.condition, r.at, r.until, r.actor, r.note
FROM jsonb_to_recordset(%(rows)s) AS r (community_id int, condition text, at timestamptz, until timestamptz, actor text,
  note text)
ON CONFLICT (community_id, condition) DO UPDATE SET since = excluded.since, until = excluded.until, by = excluded.by,
  reason = excluded.reason

-- name: drop_shelf
DELETE FROM hub.alarm_shelf WHERE community_id = %(community_id)s AND condition = %(condition)s RETURNING condition

-- name: shelved_live
SELECT id FROM hub.alarm WHERE community_id = %(community_id)s AND condition = %(condition)s
  AND suppression = 'shelved' AND state <> 'normal'

-- name: assign
UPDATE hub.alarm SET assignee = %(assignee)s, changed_at = %(at)s WHERE id = %(id)s

-- name: history
INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, action, step, done)
VALUES (%(community_id)s, %(id)s, %(at)s, %(from_state)s, %(state)s, %(actor)s, %(note)s, %(action)s, %(step)s, %(done)s)

-- name: account
SELECT a.id FROM hub.account a JOIN hub.account_role r ON r.account_id = a.id
WHERE a.name = %(name)s AND r.community_id = %(community_id)s AND NOT a.disabled

-- name: history_many
INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, action)
SELECT r.community_id, r.id, r.at, r.from_state, r.state, r.actor, r.note, r.action
FROM jsonb_to_recordset(%(rows)s) AS r (community_id int, id bigint, at timestamptz, from_state text, state text,
  actor text, note text, action text)

-- name: list
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links,
  CASE WHEN a.suppresses THEN (SELECT count(*) FROM hub.alarm c WHERE c.parent_alarm_id = a.id
    AND c.suppression = 'suppressed_by_design' AND c.state <> 'normal') ELSE 0 END AS hides,
  coalesce(a.state LIKE 'active%%' AND a.active_since <= %(stale)s, false) AS stale
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
WHERE (a.state <> 'normal' OR NOT %(live)s)
  AND (%(view)s <> 'desk' OR a.suppression IS NULL OR NOT %(live)s)
  AND (%(suppression)s::text IS NULL OR a.suppression = %(suppression)s)
  AND (%(view)s <> 'stale' OR (a.suppression IS NULL AND a.state LIKE 'active%%' AND a.active_since <= %(stale)s))
  AND (%(device_id)s::int IS NULL OR a.device_id = %(device_id)s)
  AND (%(place)s::text IS NULL OR d.place = %(place)s OR starts_with(d.place, %(place)s || '/'))
  AND (a.raised_at, a.id) < (%(before)s, %(before_id)s)
ORDER BY a.raised_at DESC, a.id DESC
LIMIT %(limit)s

-- name: urgent
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links,
  CASE WHEN a.suppresses THEN (SELECT count(*) FROM hub.alarm c WHERE c.parent_alarm_id = a.id
    AND c.suppression = 'suppressed_by_design' AND c.state <> 'normal') ELSE 0 END AS hides,
  coalesce(a.state LIKE 'active%%' AND a.active_since <= %(stale)s, false) AS stale
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
WHERE a.state <> 'normal'
  AND (%(view)s = 'all' OR a.suppression IS NOT DISTINCT FROM %(suppression)s)
  AND (%(devices)s::int[] IS NULL OR a.device_id = ANY (%(devices)s))
ORDER BY a.life_safety DESC, a.priority, a.raised_at DESC, a.id DESC
LIMIT %(limit)s

-- name: shelf
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links,
  0 AS hides, coalesce(a.state LIKE 'active%%' AND a.active_since <= %(stale)s, false) AS stale,
  'shelved' AS suppression, s.until AS suppressed_until, s.by AS suppressed_by, s.reason AS suppression_reason
FROM hub.alarm_shelf s
JOIN LATERAL (SELECT * FROM hub.alarm x WHERE x.community_id = s.community_id
              AND x.condition BETWEEN s.condition AND s.condition ORDER BY x.condition, x.id DESC LIMIT 1) a ON true
JOIN hub.device d ON d.id = a.device_id
WHERE (%(device_id)s::int IS NULL OR a.device_id = %(device_id)s)
  AND (%(place)s::text IS NULL OR d.place = %(place)s OR starts_with(d.place, %(place)s || '/'))
  AND (a.raised_at, a.id) < (%(before)s, %(before_id)s)
ORDER BY a.raised_at DESC, a.id DESC
LIMIT %(limit)s

-- name: some
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links,
  CASE WHEN a.suppresses THEN (SELECT count(*) FROM hub.alarm c WHERE c.parent_alarm_id = a.id
    AND c.suppression = 'suppressed_by_design' AND c.state <> 'normal') ELSE 0 END AS hides,
  coalesce(a.state LIKE 'active%%' AND a.active_since <= %(stale)s, false) AS stale
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
WHERE a.id = ANY (%(ids)s)
ORDER BY a.raised_at DESC, a.id DESC

-- name: history_of
SELECT at, from_state, to_state, actor, action, note, step, done, encode(uuid_send(cause), 'hex') AS cause
FROM hub.alarm_history WHERE alarm_id = %(id)s ORDER BY id

-- name: device
SELECT id, code FROM hub.device WHERE id = %(device_id)s AND community_id = %(community_id)s AND removed_at IS NULL

-- name: place
SELECT path FROM hub.place WHERE path = %(place)s AND community_id = %(community_id)s

-- name: out_of_service
INSERT INTO hub.maintenance (community_id, kind, device_id, since, until, reason, work_order, planned_by, planned_at, begun)
VALUES (%(community_id)s, 'out_of_service', %(device_id)s, %(at)s, %(until)s, %(reason)s, %(work_order)s, %(actor)s,
        %(at)s, true)
ON CONFLICT (device_id) WHERE kind = 'out_of_service' AND ended_at IS NULL
DO UPDATE SET until = excluded.until, reason = excluded.reason, work_order = excluded.work_order,
  planned_by = excluded.planned_by, planned_at = excluded.planned_at
RETURNING id

-- name: window
INSERT INTO hub.maintenance (community_id, kind, device_id, place, since, until, reason, work_order, planned_by,
                             planned_at, begun)
VALUES (%(community_id)s, 'window', %(device_id)s, %(place)s, %(since)s, %(until)s, %(reason)s, %(work_order)s,
        %(actor)s, %(at)s, %(begun)s)
RETURNING id

-- name: service_of
SELECT id FROM hub.maintenance WHERE device_id = %(device_id)s AND community_id = %(community_id)s
  AND kind = 'out_of_service' AND ended_at IS NULL FOR UPDATE

-- name: open_maintenance
SELECT id FROM hub.maintenance WHERE id = %(id)s AND community_id = %(community_id)s FOR UPDATE

-- name: end_maintenance
UPDATE hub.maintenance SET ended_at = %(at)s, ended_by = %(actor)s WHERE id = %(id)s AND ended_at IS NULL RETURNING id

-- name: maintenance
SELECT m.*, d.code AS device, d.name AS device_name, p.name AS place_name,
  m.begun AND m.since <= %(at)s AND m.until > %(at)s AND m.ended_at IS NULL AS active
FROM hub.maintenance m LEFT JOIN hub.device d ON d.id = m.device_id
LEFT JOIN hub.place p ON p.community_id = m.community_id AND p.path = m.place
WHERE m.community_id = %(community_id)s AND (m.ended_at IS NULL AND %(id)s::bigint IS NULL OR m.id = %(id)s)
ORDER BY m.since, m.id LIMIT 1000

-- name: storm
SELECT id, since, counted, annunciated FROM hub.alarm_storm WHERE community_id = %(community_id)s AND ended_at IS NULL

-- name: storm_groups
SELECT rule, title, place, count FROM hub.alarm_storm_group WHERE storm_id = %(id)s ORDER BY count DESC, rule, place LIMIT 20

-- name: budget
SELECT count(*) AS annunciated FROM hub.annunciation
WHERE community_id = %(community_id)s AND at > %(since)s AND at <= %(at)s AND NOT life_safety

-- name: link
INSERT INTO hub.alarm_link (community_id, alarm_id, kind, reference)
VALUES (%(community_id)s, %(alarm_id)s, %(kind)s, %(reference)s)
ON CONFLICT (alarm_id, kind) DO UPDATE SET reference = excluded.reference
