-- name: lock_alarm
SELECT a.id, a.community_id, a.device_id, a.title, a.priority, a.rule, a.count, c.time_zone
FROM hub.alarm a JOIN hub.community c ON c.id = a.community_id
WHERE a.id = %(alarm_id)s AND a.community_id = %(community_id)s
FOR NO KEY UPDATE OF a

-- name: next_number
INSERT INTO workorders.day_count AS c (community_id, day, last) VALUES (%(community_id)s, %(day)s, 1)
ON CONFLICT (community_id, day) DO UPDATE SET last = c.last + 1
RETURNING last

-- name: insert
INSERT INTO workorders.work_order (community_id, number, alarm_id, device_id, title, priority, created_at, due_at,
                                   changed_at)
VALUES (%(community_id)s, %(number)s, %(alarm_id)s, %(device_id)s, %(title)s, %(priority)s, %(at)s, %(due_at)s, %(at)s)
RETURNING id

-- name: of_alarm
SELECT id, state, raised_then FROM workorders.work_order
WHERE community_id = %(community_id)s AND alarm_id = %(alarm_id)s ORDER BY id DESC LIMIT 1

-- name: known
SELECT id FROM workorders.work_order WHERE community_id = %(community_id)s AND number = %(number)s

-- name: tally
SELECT waiting.pending, waiting.overdue, finished.done, finished.in_time FROM
  (SELECT count(*) AS pending, count(*) FILTER (WHERE due_at < %(at)s) AS overdue FROM workorders.work_order
   WHERE community_id = %(community_id)s AND state IN ('open', 'assigned', 'in_progress')) waiting,
  (SELECT count(*) AS done, count(*) FILTER (WHERE done_at <= due_at) AS in_time FROM workorders.work_order
   WHERE community_id = %(community_id)s AND state = 'done' AND done_at >= %(since)s) finished

-- name: lock
SELECT id, state, assignee, alarm_id FROM workorders.work_order
WHERE id = %(id)s AND community_id = %(community_id)s FOR UPDATE

-- name: move
UPDATE workorders.work_order SET state = %(state)s, changed_at = %(at)s,
  assignee = coalesce(%(assignee)s, assignee),
  note = CASE WHEN %(note)s = '' THEN note ELSE %(note)s END,
  started_at = CASE WHEN %(state)s = 'in_progress' THEN coalesce(started_at, %(at)s) ELSE started_at END,
  done_at = CASE WHEN %(state)s IN ('done', 'cancelled') THEN %(at)s END,
  raised_then = CASE WHEN %(state)s IN ('done', 'cancelled') THEN
    (SELECT a.count FROM hub.alarm a WHERE a.id = work_order.alarm_id) END
WHERE id = %(id)s

-- name: history
INSERT INTO workorders.history (community_id, order_id, at, action, from_state, to_state, actor, note)
VALUES (%(community_id)s, %(id)s, %(at)s, %(action)s, %(from_state)s, %(state)s, %(actor)s, %(note)s)

-- name: one
SELECT w.*, d.code AS device, d.place, a.state AS alarm_state, a.returned_at AS alarm_returned_at
FROM workorders.work_order w LEFT JOIN hub.device d ON d.id = w.device_id LEFT JOIN hub.alarm a ON a.id = w.alarm_id
WHERE w.id = %(id)s AND w.community_id = %(community_id)s

-- name: history_of
SELECT at, action, from_state, to_state, actor, note FROM workorders.history WHERE order_id = %(id)s ORDER BY id

-- name: list
SELECT w.*, d.code AS device, d.place, a.state AS alarm_state, a.returned_at AS alarm_returned_at
FROM workorders.work_order w LEFT JOIN hub.device d ON d.id = w.device_id LEFT JOIN hub.alarm a ON a.id = w.alarm_id
WHERE w.community_id = %(community_id)s
  AND (%(states)s::text[] IS NULL OR w.state = ANY (%(states)s))
  AND w.id < %(before)s
ORDER BY w.id DESC
LIMIT %(limit)s
