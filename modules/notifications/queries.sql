-- name: communities
SELECT id, code, name, time_zone FROM hub.community WHERE id = ANY (%(ids)s)

-- name: alarm
SELECT a.*, d.code AS device, d.kind, d.place, d.name AS device_name, p.name AS place_name,
  c.code AS community, c.name AS community_name, c.time_zone
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id JOIN hub.community c ON c.id = a.community_id
LEFT JOIN hub.place p ON p.community_id = a.community_id AND p.path = d.place
WHERE a.id = %(alarm_id)s AND a.community_id = %(community_id)s

-- name: storm
SELECT s.*, c.code AS community FROM hub.alarm_storm s JOIN hub.community c ON c.id = s.community_id
WHERE s.id = %(storm_id)s AND s.community_id = %(community_id)s

-- name: languages
SELECT name, language FROM hub.account WHERE name = ANY (%(accounts)s)

-- name: level
UPDATE hub.alarm SET escalation_level = greatest(escalation_level, %(level)s) WHERE id = %(alarm_id)s

-- name: begin_escalation
INSERT INTO notifications.escalation (community_id, alarm_id, began_at, started_at, next_at)
VALUES (%(community_id)s, %(alarm_id)s, %(began_at)s, %(at)s, %(at)s) ON CONFLICT DO NOTHING

-- name: supersede
UPDATE notifications.escalation SET settled_at = %(at)s, next_at = NULL
WHERE community_id = %(community_id)s AND alarm_id = %(alarm_id)s AND began_at < %(began_at)s AND settled_at IS NULL

-- name: escalations_due
-- What began ahead of now is of a clock that was set back since: it goes on at once, rather than in a year.
SELECT id, community_id FROM notifications.escalation
WHERE settled_at IS NULL AND (next_at <= %(at)s OR (next_at IS NOT NULL AND started_at > %(ahead)s))
ORDER BY next_at LIMIT 100

-- name: lock_escalation
SELECT * FROM notifications.escalation
WHERE id = %(id)s AND settled_at IS NULL AND (next_at <= %(at)s OR (next_at IS NOT NULL AND started_at > %(ahead)s))
FOR UPDATE SKIP LOCKED

-- name: advance
UPDATE notifications.escalation SET level = %(level)s, next_at = %(next_at)s WHERE id = %(id)s

-- name: put_off
UPDATE notifications.escalation SET next_at = %(next_at)s WHERE id = %(id)s AND settled_at IS NULL

-- name: settle
UPDATE notifications.escalation SET settled_at = %(at)s, next_at = NULL
WHERE alarm_id = %(alarm_id)s AND began_at <= %(began_at)s AND settled_at IS NULL

-- name: insert
INSERT INTO notifications.delivery (uid, community_id, target, event, event_key, alarm_id, step, person, name, address,
  language, priority, life_safety, title, body, happened_at, state, combine, fallback_of, created_at, due_at, expires_at)
VALUES (%(uid)s, %(community_id)s, %(target)s, %(event)s, %(event_key)s, %(alarm_id)s, %(step)s, %(person)s, %(name)s,
  %(address)s, %(language)s, %(priority)s, %(life_safety)s, %(title)s, %(body)s, %(happened_at)s, %(state)s,
  %(combine)s, %(fallback_of)s, %(at)s, %(due_at)s, %(expires_at)s)
ON CONFLICT (community_id, target, person, event_key) DO NOTHING
RETURNING id

-- name: targets_due
-- Here and below: times far ahead are of a clock that was set back since, and hold nothing up.
SELECT DISTINCT d.community_id, d.target, d.life_safety FROM notifications.delivery d
LEFT JOIN notifications.target t ON t.community_id = d.community_id AND t.target = d.target
LEFT JOIN notifications.endpoint e ON e.community_id = d.community_id AND 'webhook:' || e.id = d.target
WHERE ((d.state IN ('queued', 'held') AND d.due_at <= %(at)s) OR (d.state = 'sending'
    AND (d.started_at <= %(lease)s OR d.started_at > %(ahead)s)))
  AND (d.life_safety OR t.retry_at IS NULL OR t.retry_at <= %(at)s OR t.retry_at > %(longest)s)
  AND (e.id IS NULL OR e.state IN ('active', 'removed'))

-- name: know_target
INSERT INTO notifications.target (community_id, target) VALUES (%(community_id)s, %(target)s) ON CONFLICT DO NOTHING

-- name: lock_target
SELECT * FROM notifications.target WHERE community_id = %(community_id)s AND target = %(target)s FOR UPDATE

-- name: leader
SELECT * FROM notifications.delivery
WHERE community_id = %(community_id)s AND target = %(target)s
  AND ((state IN ('queued', 'held') AND due_at <= %(at)s) OR (state = 'sending'
    AND (started_at <= %(lease)s OR started_at > %(ahead)s)))
  AND life_safety = %(urgent)s
ORDER BY priority, id LIMIT 1 FOR UPDATE

-- name: in_flight
SELECT count(*) AS n FROM notifications.delivery
WHERE community_id = %(community_id)s AND target = %(target)s AND NOT life_safety AND state = 'sending'
  AND started_at > %(lease)s AND started_at <= %(ahead)s

-- name: companions
SELECT * FROM notifications.delivery
WHERE community_id = %(community_id)s AND target = %(target)s AND person = %(person)s AND language = %(language)s
  AND combine AND NOT life_safety AND state IN ('queued', 'held') AND due_at <= %(at)s AND id <> %(id)s
ORDER BY priority, id LIMIT 49 FOR UPDATE

-- name: sent
SELECT at FROM notifications.attempt
WHERE community_id = %(community_id)s AND target = %(target)s AND at > %(since)s AND leads

-- name: postpone
UPDATE notifications.delivery SET due_at = %(due_at)s, combine = true
WHERE community_id = %(community_id)s AND target = %(target)s AND NOT life_safety
  AND state IN ('queued', 'held') AND due_at < %(due_at)s

-- name: begin
UPDATE notifications.delivery SET repeated = repeated OR state = 'sending', state = 'sending', started_at = %(at)s,
  attempts = attempts + 1
WHERE id = ANY (%(ids)s) RETURNING id, repeated

-- name: attempt
INSERT INTO notifications.attempt (community_id, delivery_id, target, at, outcome, status, detail, leads)
SELECT %(community_id)s, id, %(target)s, %(at)s, %(outcome)s, %(status)s, %(detail)s, %(leads)s AND n = 1
FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS message (id, n)

-- name: delivered
UPDATE notifications.delivery SET state = 'delivered', finished_at = %(at)s, status = %(status)s, detail = ''
WHERE id = ANY (%(ids)s) AND (state = 'sending' OR (state IN ('queued', 'held') AND attempts > 0)) RETURNING *

-- name: failed
UPDATE notifications.delivery SET state = %(state)s, due_at = %(due_at)s, status = %(status)s, detail = %(detail)s,
  repeated = repeated OR %(repeated)s, finished_at = CASE WHEN %(state)s = 'dead' THEN %(at)s END
WHERE id = ANY (%(ids)s) AND state = 'sending' RETURNING *

-- name: expire
UPDATE notifications.delivery SET state = 'dead', finished_at = %(at)s,
  detail = CASE WHEN detail = '' THEN %(detail)s ELSE detail END
WHERE community_id = %(community_id)s AND target = %(target)s AND state IN ('queued', 'held') AND expires_at <= %(at)s

-- name: drop_target
UPDATE notifications.delivery SET state = 'dead', finished_at = %(at)s, detail = %(detail)s
WHERE community_id = %(community_id)s AND target = %(target)s AND state IN ('queued', 'held', 'sending')

-- name: lost
UPDATE notifications.delivery SET state = 'dead', finished_at = %(at)s, detail = %(detail)s WHERE id = ANY (%(ids)s)

-- name: target_well
UPDATE notifications.target SET failures = 0, failing_since = NULL, retry_at = NULL, reported = false,
  delivered_at = %(at)s, detail = ''
WHERE community_id = %(community_id)s AND target = %(target)s

-- name: target_ill
UPDATE notifications.target SET failures = failures + 1, failing_since = coalesce(failing_since, %(at)s),
  retry_at = %(retry_at)s, detail = %(detail)s, reported = reported OR %(reported)s
WHERE community_id = %(community_id)s AND target = %(target)s

-- name: hurry
UPDATE notifications.delivery SET due_at = %(at)s
WHERE community_id = %(community_id)s AND target = %(target)s AND state = 'queued' AND attempts > 0 AND due_at > %(at)s

-- name: second_wanted
UPDATE notifications.delivery SET second = 'wanted' WHERE id = ANY (%(ids)s) AND second = ''

-- name: stranded
SELECT d.* FROM notifications.delivery d
JOIN notifications.target t ON t.community_id = d.community_id AND t.target = d.target
WHERE d.state = 'queued' AND d.target LIKE 'channel:%%' AND d.fallback_of IS NULL AND d.event NOT IN ('test', 'reply')
  AND (d.second = 'wanted' OR (d.second = '' AND (t.failures >= %(failing)s OR (t.retry_at > %(at)s
    AND t.retry_at <= %(longest)s AND (d.life_safety OR t.retry_at >= d.created_at + %(patience)s)))))
ORDER BY d.life_safety DESC, d.priority, d.id LIMIT 200

-- name: second_tried
UPDATE notifications.delivery SET second = 'tried' WHERE id = %(id)s AND second <> 'tried'

-- name: reached_otherwise
UPDATE notifications.delivery SET state = 'rerouted', finished_at = %(at)s
WHERE id = %(id)s AND state IN ('queued', 'held') AND NOT EXISTS (
  SELECT FROM notifications.delivery f WHERE f.fallback_of = %(id)s AND f.state NOT IN ('delivered', 'rerouted'))

-- name: twin_not_needed
UPDATE notifications.delivery SET state = 'cancelled', finished_at = %(at)s, detail = 'the first channel delivered'
WHERE fallback_of = ANY (%(ids)s) AND state IN ('queued', 'held')

-- name: over
UPDATE notifications.delivery SET state = 'cancelled', finished_at = %(at)s, detail = 'over before quiet hours ended'
WHERE alarm_id = %(alarm_id)s AND state = 'held' AND NOT combine AND event IN ('annunciated', 'escalated')

-- name: one
SELECT * FROM notifications.delivery WHERE id = %(id)s AND community_id = %(community_id)s

-- name: one_by_uid
SELECT d.*, a.title AS alarm_title, a.state AS alarm_state, v.code AS device, v.name AS device_name, v.place
FROM notifications.delivery d JOIN hub.alarm a ON a.id = d.alarm_id JOIN hub.device v ON v.id = a.device_id
WHERE d.uid = %(uid)s AND d.community_id = %(community_id)s

-- name: use_link
UPDATE notifications.delivery SET acknowledged_at = %(at)s WHERE id = %(id)s AND acknowledged_at IS NULL

-- name: told_to
-- Every alarm that this number was told of by this channel since then, as it was told last and now stands.
SELECT * FROM (
  SELECT DISTINCT ON (d.alarm_id) d.id, d.uid, d.alarm_id, d.person, d.name, d.language, d.priority, d.title, d.body,
    d.address, d.started_at, a.state, a.acknowledged_by, a.acknowledged_at
  FROM notifications.delivery d JOIN hub.alarm a ON a.id = d.alarm_id
  WHERE d.community_id = %(community_id)s AND d.target = %(target)s AND d.person <> ''
    AND right(regexp_replace(d.address, '\D', '', 'g'), 11) = %(number)s
    AND d.event IN ('annunciated', 'escalated') AND d.started_at > %(since)s
  ORDER BY d.alarm_id, d.started_at DESC) AS told
ORDER BY started_at DESC LIMIT 50

-- name: referred
SELECT alarm_id FROM notifications.delivery
WHERE uid = %(uid)s AND community_id = %(community_id)s AND target = %(target)s

-- name: reply
SELECT * FROM notifications.reply WHERE community_id = %(community_id)s AND target = %(target)s AND key = %(key)s

-- name: replies_since
SELECT count(*) FILTER (WHERE result <> 'unknown') AS by_told,
  count(*) FILTER (WHERE result = 'unknown') AS by_strangers, count(*) FILTER (WHERE sender = %(sender)s) AS by_one,
  count(*) FILTER (WHERE sender = %(sender)s AND result = 'not_understood') AS not_understood
FROM notifications.reply
WHERE community_id = %(community_id)s AND target = %(target)s AND at > %(since)s AND at <= %(ahead)s

-- name: put_reply
INSERT INTO notifications.reply (community_id, target, key, at, sender, said, delivery_id, result, answer, done)
VALUES (%(community_id)s, %(target)s, %(key)s, %(at)s, %(sender)s, %(said)s, %(delivery_id)s, %(result)s, %(answer)s,
  %(done)s)
ON CONFLICT (community_id, target, key) DO NOTHING

-- name: unfinished
-- What was decided and not done, from when on an answer of each community is still good.
SELECT r.*, c.code, c.time_zone
FROM notifications.reply r JOIN hub.community c ON c.id = r.community_id
JOIN unnest(%(communities)s::int[], %(since)s::timestamptz[]) AS good (community_id, since) USING (community_id)
WHERE NOT r.done AND r.at > good.since AND r.at <= %(until)s ORDER BY r.id LIMIT 100

-- name: end_reply
UPDATE notifications.reply SET result = %(result)s, answer = %(answer)s, done = true WHERE id = %(id)s AND NOT done

-- name: replies_to
SELECT at, said, result FROM notifications.reply WHERE delivery_id = %(id)s ORDER BY id DESC LIMIT 50

-- name: list
SELECT * FROM notifications.delivery
WHERE community_id = %(community_id)s AND id < %(before)s
  AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(alarm_id)s::bigint IS NULL OR alarm_id = %(alarm_id)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: attempts_of
SELECT at, outcome, status, detail FROM notifications.attempt WHERE delivery_id = %(id)s ORDER BY id DESC LIMIT 50

-- name: targets
SELECT t.*, (SELECT count(*) FROM notifications.delivery d WHERE d.community_id = t.community_id
  AND d.target = t.target AND d.state IN ('queued', 'held', 'sending')) AS waiting,
  (SELECT count(*) FROM notifications.delivery d WHERE d.community_id = t.community_id
  AND d.target = t.target AND d.state = 'dead') AS dead
FROM notifications.target t WHERE t.community_id = %(community_id)s

-- name: replayable
SELECT count(*) AS n FROM (
  SELECT FROM notifications.delivery
  WHERE community_id = %(community_id)s AND target = %(target)s AND state = ANY (%(states)s) AND created_at >= %(since)s
  LIMIT %(limit)s) AS counted

-- name: replay
UPDATE notifications.delivery SET state = 'queued', due_at = %(at)s, attempts = 0, finished_at = NULL, status = NULL,
  detail = '', expires_at = CASE WHEN target LIKE 'webhook:%%' THEN %(webhook)s ELSE %(channel)s END
WHERE community_id = %(community_id)s AND state = ANY (%(states)s) AND detail <> %(nobody)s
  AND (%(id)s::bigint IS NULL OR id = %(id)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
RETURNING id, target

-- name: forget_retry
UPDATE notifications.target SET retry_at = NULL
WHERE community_id = %(community_id)s AND target = ANY (%(targets)s)

-- name: endpoints
SELECT id, community_id, name, url, types, state, detail, previous_until, created_at, created_by, changed_at
FROM notifications.endpoint WHERE community_id = %(community_id)s AND state <> 'removed' ORDER BY id

-- name: endpoint
SELECT * FROM notifications.endpoint WHERE id = %(id)s AND community_id = %(community_id)s AND state <> 'removed'
FOR NO KEY UPDATE

-- name: insert_endpoint
INSERT INTO notifications.endpoint (community_id, name, url, types, secret, created_at, created_by, changed_at)
VALUES (%(community_id)s, %(name)s, %(url)s, %(types)s, %(secret)s, %(at)s, %(actor)s, %(at)s)
ON CONFLICT DO NOTHING RETURNING id

-- name: change_endpoint
UPDATE notifications.endpoint SET url = %(url)s, types = %(types)s, changed_at = %(at)s WHERE id = %(id)s

-- name: endpoint_state
UPDATE notifications.endpoint SET state = %(state)s, detail = %(detail)s, changed_at = %(at)s,
  secret = CASE WHEN %(state)s = 'removed' THEN '' ELSE secret END,
  previous_secret = CASE WHEN %(state)s = 'removed' THEN NULL ELSE previous_secret END
WHERE id = %(id)s

-- name: rotate
UPDATE notifications.endpoint SET previous_secret = secret, previous_until = %(until)s, secret = %(secret)s,
  changed_at = %(at)s
WHERE id = %(id)s

-- name: make_key
INSERT INTO notifications.signing_key (community_id, key) VALUES (%(community_id)s, %(key)s) ON CONFLICT DO NOTHING

-- name: key
SELECT key FROM notifications.signing_key WHERE community_id = %(community_id)s

-- name: prune
-- Of the oldest those past their time, a portion at once: never the whole table.
DELETE FROM notifications.delivery WHERE id IN (
  SELECT id FROM (SELECT id, created_at FROM notifications.delivery ORDER BY id LIMIT %(most)s) AS oldest
  WHERE created_at < %(before)s)

-- name: prune_escalations
DELETE FROM notifications.escalation WHERE id IN (
  SELECT id FROM (SELECT id, began_at FROM notifications.escalation ORDER BY id LIMIT %(most)s) AS oldest
  WHERE began_at < %(before)s)

-- name: prune_replies
DELETE FROM notifications.reply WHERE id IN (
  SELECT id FROM (SELECT id, at FROM notifications.reply ORDER BY id LIMIT %(most)s) AS oldest WHERE at < %(before)s)
