-- name: shelved
SELECT s.community_id, s.condition, s.until, s.by, s.reason FROM hub.alarm_shelf s
JOIN unnest(%(communities)s::int[], %(conditions)s::text[]) AS w (community_id, condition)
  USING (community_id, condition)
WHERE s.until > %(now)s

-- name: out_of_service
SELECT DISTINCT ON (d.id) d.id, m.until, m.planned_by, m.reason
FROM hub.maintenance m JOIN hub.device d ON d.community_id = m.community_id
  AND (d.id = m.device_id OR d.place = m.place OR starts_with(d.place, m.place || '/'))
WHERE m.ended_at IS NULL AND m.since <= %(now)s AND m.until > %(now)s AND d.id = ANY (%(devices)s)
ORDER BY d.id, m.until DESC

-- name: parents
SELECT device_id, id, title->>'zh' FROM hub.alarm
WHERE suppresses AND state IN ('active_unacknowledged', 'active_acknowledged') AND device_id = ANY (%(devices)s)
  AND (suppression IS NULL OR suppression = 'suppressed_by_design')
  AND community_id = ANY (%(communities)s)

-- name: lock_live
SELECT id, community_id, condition, device_id, state, life_safety, suppression, parent_alarm_id, work_order,
  annunciated_at, returned_silently, suppresses
FROM hub.alarm WHERE id = ANY (%(ids)s) AND state <> 'normal' ORDER BY id FOR UPDATE

-- name: lock_free
SELECT id, community_id, condition, device_id, state, life_safety, suppression, parent_alarm_id, work_order,
  annunciated_at, returned_silently, suppresses
FROM hub.alarm WHERE id = ANY (%(ids)s) AND state <> 'normal' ORDER BY id FOR UPDATE SKIP LOCKED

-- name: below_parents
SELECT a.id FROM hub.alarm a
WHERE a.device_id = ANY (%(devices)s) AND a.state IN ('active_unacknowledged', 'active_acknowledged')
  AND NOT a.life_safety AND (a.suppression IS NULL OR a.suppression = 'suppressed_by_design')

-- name: within_maintenance
SELECT a.id FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
JOIN hub.maintenance m ON m.id = %(id)s AND m.community_id = a.community_id
  AND (d.id = m.device_id OR d.place = m.place OR starts_with(d.place, m.place || '/'))
WHERE a.state <> 'normal' AND NOT a.life_safety

-- name: grace
UPDATE hub.alarm SET suppressed_until = %(until)s
WHERE parent_alarm_id = ANY (%(parents)s) AND suppression = 'suppressed_by_design' AND state <> 'normal'

-- name: change
UPDATE hub.alarm a SET suppression = r.suppression, suppressed_until = r.suppressed_until,
  suppressed_by = r.suppressed_by, suppression_reason = r.suppression_reason, parent_alarm_id = r.parent_alarm_id,
  state = r.state, annunciate_at = r.annunciate_at, changed_at = %(now)s
FROM jsonb_to_recordset(%(rows)s) AS r (id bigint, suppression text, suppressed_until timestamptz, suppressed_by text,
  suppression_reason text, parent_alarm_id bigint, state text, annunciate_at timestamptz)
WHERE a.id = r.id

-- name: history
INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, cause, action)
SELECT r.community_id, r.alarm_id, r.at, r.from_state, r.to_state, r.actor, r.note, r.cause, r.action
FROM json_to_recordset(%(rows)s) AS r (community_id int, alarm_id bigint, at timestamptz, from_state text,
  to_state text, actor text, note text, cause uuid, action text)
