-- name: lock_live
SELECT id, state, count FROM hub.alarm WHERE community_id = %(community_id)s AND condition = %(condition)s
  AND state <> 'normal' FOR UPDATE

-- name: insert
INSERT INTO hub.alarm (community_id, condition, rule, device_id, priority, life_safety, state, title, text, procedure,
                       raised_at, cause, changed_at)
VALUES (%(community_id)s, %(condition)s, %(rule)s, %(device_id)s, %(priority)s, %(life_safety)s,
        'active_unacknowledged', %(title)s, %(text)s, %(procedure)s, %(at)s, %(cause)s, %(at)s)
RETURNING id

-- name: repeat
UPDATE hub.alarm SET state = %(state)s, count = count + 1, text = %(text)s, changed_at = %(at)s,
  returned_at = CASE WHEN %(state)s = 'active_unacknowledged' THEN NULL ELSE returned_at END
WHERE id = %(id)s

-- name: return
UPDATE hub.alarm SET state = %(state)s, returned_at = %(at)s, changed_at = %(at)s WHERE id = %(id)s

-- name: history
INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, cause)
VALUES (%(community_id)s, %(id)s, %(at)s, %(from_state)s, %(state)s, %(actor)s, %(note)s, %(cause)s)

-- name: lock_one
SELECT * FROM hub.alarm WHERE id = %(id)s AND community_id = %(community_id)s FOR UPDATE

-- name: acknowledge
UPDATE hub.alarm SET state = %(state)s, acknowledged_at = %(at)s, acknowledged_by = %(actor)s, changed_at = %(at)s
WHERE id = %(id)s
RETURNING *

-- name: list
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
WHERE (NOT %(live)s OR a.state <> 'normal')
  AND (%(device_id)s::int IS NULL OR a.device_id = %(device_id)s)
  AND (a.raised_at, a.id) < (%(before)s, %(before_id)s)
ORDER BY a.raised_at DESC, a.id DESC
LIMIT %(limit)s

-- name: some
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name,
  (SELECT jsonb_object_agg(l.kind, l.reference) FROM hub.alarm_link l WHERE l.alarm_id = a.id) AS links
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
WHERE a.id = ANY (%(ids)s)

-- name: history_of
SELECT at, from_state, to_state, actor, note, encode(uuid_send(cause), 'hex') AS cause
FROM hub.alarm_history WHERE alarm_id = %(id)s ORDER BY id

-- name: link
INSERT INTO hub.alarm_link (community_id, alarm_id, kind, reference)
VALUES (%(community_id)s, %(alarm_id)s, %(kind)s, %(reference)s) ON CONFLICT DO NOTHING
