-- name: community
SELECT code, time_zone FROM hub.community WHERE id = %(community_id)s

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('duty.' || %(subject)s, %(community_id)s))

-- name: setting
SELECT * FROM duty.setting WHERE community_id = %(community_id)s

-- name: insert_setting
INSERT INTO duty.setting (community_id, card_key) VALUES (%(community_id)s, %(card_key)s) ON CONFLICT DO NOTHING

-- name: update_setting
UPDATE duty.setting SET weekly_hours = %(weekly_hours)s, rest_hours = %(rest_hours)s,
  nights_in_a_row = %(nights_in_a_row)s, days_in_a_row = %(days_in_a_row)s, late_minutes = %(late_minutes)s
WHERE community_id = %(community_id)s

-- name: posts
SELECT id, code, name, place, qualifications, active FROM duty.post
WHERE community_id = %(community_id)s ORDER BY active DESC, id

-- name: put_post
INSERT INTO duty.post AS p (community_id, code, name, place, qualifications, active)
VALUES (%(community_id)s, %(code)s, %(name)s, %(place)s, %(qualifications)s, %(active)s)
ON CONFLICT (community_id, code) DO UPDATE SET name = excluded.name, place = excluded.place,
  qualifications = excluded.qualifications, active = excluded.active
RETURNING id

-- name: shifts
SELECT id, code, name, begins, ends, active FROM duty.shift
WHERE community_id = %(community_id)s ORDER BY active DESC, begins, id

-- name: shift_in_use
SELECT EXISTS (SELECT FROM duty.slot l JOIN duty.shift s ON s.id = l.shift_id JOIN duty.roster r ON r.id = l.roster_id
  WHERE l.community_id = %(community_id)s AND s.code = %(code)s AND (s.begins, s.ends) <> (%(begins)s, %(ends)s)
    AND r.state <> 'discarded' AND l.ends_at > %(at)s) AS used

-- name: put_shift
INSERT INTO duty.shift AS s (community_id, code, name, begins, ends, active)
VALUES (%(community_id)s, %(code)s, %(name)s, %(begins)s, %(ends)s, %(active)s)
ON CONFLICT (community_id, code) DO UPDATE SET name = excluded.name, begins = excluded.begins, ends = excluded.ends,
  active = excluded.active
RETURNING id

-- name: needs
SELECT n.post_id, n.shift_id, p.code AS post, s.code AS shift, n.people, n.weekdays, p.qualifications
FROM duty.need n JOIN duty.post p ON p.id = n.post_id JOIN duty.shift s ON s.id = n.shift_id
WHERE n.community_id = %(community_id)s AND p.active AND s.active ORDER BY n.shift_id, n.post_id

-- name: put_need
INSERT INTO duty.need (community_id, post_id, shift_id, people, weekdays)
SELECT %(community_id)s, p.id, s.id, %(people)s, %(weekdays)s FROM duty.post p, duty.shift s
WHERE p.community_id = %(community_id)s AND p.code = %(post)s AND s.community_id = %(community_id)s AND s.code = %(shift)s
ON CONFLICT (community_id, post_id, shift_id) DO UPDATE SET people = excluded.people, weekdays = excluded.weekdays
RETURNING post_id AS id

-- name: people
SELECT id, code, name, account, phone, card_hash IS NOT NULL AS card, qualifications, weekly_hours, active
FROM duty.person WHERE community_id = %(community_id)s ORDER BY active DESC, code

-- name: person
SELECT id, code, name, account, phone, card_hash IS NOT NULL AS card, qualifications, weekly_hours, active
FROM duty.person WHERE community_id = %(community_id)s AND id = %(id)s

-- name: put_person
INSERT INTO duty.person AS p (community_id, code, name, account, phone, card_hash, qualifications, weekly_hours, active)
VALUES (%(community_id)s, %(code)s, %(name)s, %(account)s, %(phone)s, %(card_hash)s, %(qualifications)s,
        %(weekly_hours)s, %(active)s)
ON CONFLICT (community_id, code) DO UPDATE SET name = excluded.name, account = excluded.account,
  phone = CASE WHEN %(keep_phone)s THEN p.phone ELSE excluded.phone END,
  card_hash = CASE WHEN %(keep_card)s THEN p.card_hash ELSE excluded.card_hash END,
  qualifications = excluded.qualifications, weekly_hours = excluded.weekly_hours, active = excluded.active
RETURNING id

-- name: person_of_card
SELECT id, code, name, account, active FROM duty.person
WHERE community_id = %(community_id)s AND card_hash = %(card_hash)s

-- name: person_of_account
SELECT id, code, name FROM duty.person WHERE community_id = %(community_id)s AND account = %(account)s AND active

-- name: equipment
SELECT e.id, e.code, e.name, e.holder, p.name AS holder_name, e.since, e.active
FROM duty.equipment e LEFT JOIN duty.person p ON p.id = e.holder
WHERE e.community_id = %(community_id)s ORDER BY e.active DESC, e.code

-- name: put_equipment
INSERT INTO duty.equipment AS e (community_id, code, name, active) VALUES (%(community_id)s, %(code)s, %(name)s, %(active)s)
ON CONFLICT (community_id, code) DO UPDATE SET name = excluded.name, active = excluded.active RETURNING id

-- name: lock_equipment
SELECT id, holder, active FROM duty.equipment WHERE community_id = %(community_id)s AND id = %(id)s FOR UPDATE

-- name: move_equipment
UPDATE duty.equipment SET holder = %(holder)s, since = %(since)s
WHERE community_id = %(community_id)s AND id = %(id)s

-- name: equipment_move
INSERT INTO duty.equipment_move (community_id, equipment_id, at, action, person_id, actor, note)
VALUES (%(community_id)s, %(id)s, %(at)s, %(action)s, %(person_id)s, %(actor)s, %(note)s)

-- name: equipment_moves
SELECT m.id, m.at, m.action, m.actor, m.note, p.name AS person FROM duty.equipment_move m
JOIN duty.person p ON p.id = m.person_id
WHERE m.community_id = %(community_id)s AND m.equipment_id = %(id)s ORDER BY m.id DESC LIMIT 200

-- name: absences
SELECT a.id, a.person_id, p.name AS person, a.kind, a.first, a.last, a.since, a.note, a.noted_by, a.noted_at
FROM duty.absence a JOIN duty.person p ON p.id = a.person_id
WHERE a.community_id = %(community_id)s AND a.cancelled_at IS NULL AND a.last >= %(first)s AND a.first <= %(last)s
ORDER BY a.first, a.id LIMIT 1000

-- name: insert_absence
INSERT INTO duty.absence (community_id, person_id, kind, first, last, since, note, noted_by, noted_at)
VALUES (%(community_id)s, %(person_id)s, %(kind)s, %(first)s, %(last)s, %(since)s, %(note)s, %(actor)s, %(at)s)
RETURNING id

-- name: cancel_absence
UPDATE duty.absence SET cancelled_by = %(actor)s, cancelled_at = %(at)s
WHERE community_id = %(community_id)s AND id = %(id)s AND cancelled_at IS NULL RETURNING id

-- name: wishes
SELECT w.person_id, p.name AS person, w.day, w.shift_id, w.want FROM duty.wish w JOIN duty.person p ON p.id = w.person_id
WHERE w.community_id = %(community_id)s AND w.day BETWEEN %(first)s AND %(last)s ORDER BY w.day, w.person_id

-- name: put_wish
INSERT INTO duty.wish (community_id, person_id, day, shift_id, want)
VALUES (%(community_id)s, %(person_id)s, %(day)s, %(shift_id)s, %(want)s)
ON CONFLICT (community_id, person_id, day) DO UPDATE SET shift_id = excluded.shift_id, want = excluded.want

-- name: drop_wish
DELETE FROM duty.wish WHERE community_id = %(community_id)s AND person_id = %(person_id)s AND day = %(day)s

-- name: insert_roster
INSERT INTO duty.roster (community_id, first, last, origin, note, detail, made_by, made_at)
VALUES (%(community_id)s, %(first)s, %(last)s, %(origin)s, %(note)s, %(detail)s, %(actor)s, %(at)s) RETURNING id

-- name: publish_roster
UPDATE duty.roster SET state = 'published', published_by = %(actor)s, published_at = %(at)s, note = %(note)s,
  version = (SELECT coalesce(max(version), 0) + 1 FROM duty.roster WHERE community_id = %(community_id)s)
WHERE community_id = %(community_id)s AND id = %(id)s AND state = 'draft' RETURNING version

-- name: rotation
SELECT max(last) FILTER (WHERE origin = 'rotation') AS last, count(*) AS published,
  coalesce(bool_or(origin NOT IN ('rotation', 'change')), false) AS planned
FROM duty.roster WHERE community_id = %(community_id)s AND state = 'published'

-- name: discard_roster
UPDATE duty.roster SET state = 'discarded'
WHERE community_id = %(community_id)s AND id = %(id)s AND state = 'draft' RETURNING id

-- name: roster
SELECT * FROM duty.roster WHERE community_id = %(community_id)s AND id = %(id)s

-- name: rosters
SELECT r.*, (SELECT count(*) FROM duty.slot s WHERE s.roster_id = r.id) AS slots FROM duty.roster r
WHERE r.community_id = %(community_id)s AND r.state = ANY (%(states)s) AND r.id < %(before)s
ORDER BY r.id DESC LIMIT %(limit)s

-- name: slots_of
SELECT day, shift_id, post_id, person_id, begins_at, ends_at FROM duty.slot
WHERE community_id = %(community_id)s AND roster_id = %(id)s ORDER BY day, shift_id, post_id, person_id

-- name: slots
WITH counts AS (
  SELECT DISTINCT ON (d.day) d.day::date AS day, r.id
  FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day') AS d (day)
  JOIN duty.roster r ON r.community_id = %(community_id)s AND r.state = 'published'
    AND d.day::date BETWEEN r.first AND r.last
  ORDER BY d.day, r.version DESC
)
SELECT s.day, s.shift_id, s.post_id, s.person_id, s.begins_at, s.ends_at, s.roster_id
FROM counts c JOIN duty.slot s ON s.roster_id = c.id AND s.day = c.day
ORDER BY s.day, s.shift_id, s.post_id, s.person_id

-- name: on_shift
WITH counts AS (
  SELECT DISTINCT ON (d.day) d.day::date AS day, r.id
  FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day') AS d (day)
  JOIN duty.roster r ON r.community_id = %(community_id)s AND r.state = 'published'
    AND d.day::date BETWEEN r.first AND r.last
  ORDER BY d.day, r.version DESC
)
SELECT p.id AS person, p.code, p.name, p.account, p.phone, o.code AS post, h.code AS shift, o.name AS post_name,
       h.name AS shift_name, s.begins_at AS begins, s.ends_at AS ends
FROM counts c
JOIN duty.slot s ON s.roster_id = c.id AND s.day = c.day AND s.begins_at <= %(at)s AND s.ends_at > %(at)s
JOIN duty.person p ON p.id = s.person_id AND p.active
JOIN duty.post o ON o.id = s.post_id AND (%(post)s::text IS NULL OR o.code = %(post)s)
JOIN duty.shift h ON h.id = s.shift_id
WHERE NOT EXISTS (SELECT FROM duty.absence a WHERE a.community_id = %(community_id)s AND a.person_id = s.person_id
  AND a.cancelled_at IS NULL AND s.day BETWEEN a.first AND a.last AND (a.since IS NULL OR a.since <= %(at)s))
ORDER BY o.id, p.code

-- name: insert_slots
INSERT INTO duty.slot (community_id, roster_id, day, shift_id, post_id, person_id, begins_at, ends_at)
SELECT %(community_id)s, %(id)s, * FROM unnest(%(days)s::date[], %(shifts)s::int[], %(posts)s::int[],
  %(persons)s::int[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])

-- name: delete_slots
DELETE FROM duty.slot WHERE community_id = %(community_id)s AND roster_id = %(id)s

-- name: hand_over_at
SELECT id FROM duty.hand_over WHERE community_id = %(community_id)s AND change_at = %(change_at)s

-- name: insert_hand_over
INSERT INTO duty.hand_over (community_id, change_at, outgoing_shift, incoming_shift, list, note, made_at)
VALUES (%(community_id)s, %(change_at)s, %(outgoing_shift)s, %(incoming_shift)s, %(list)s, %(note)s, %(at)s)
ON CONFLICT (community_id, change_at) DO NOTHING RETURNING id

-- name: sign
INSERT INTO duty.signature (community_id, hand_over_id, side, actor, person_id, on_roster, at, note)
VALUES (%(community_id)s, %(id)s, %(side)s, %(actor)s, %(person_id)s, %(on_roster)s, %(at)s, %(note)s)

-- name: hand_over
SELECT id, change_at FROM duty.hand_over WHERE community_id = %(community_id)s AND id = %(id)s

-- name: signatures
SELECT g.hand_over_id, g.side, g.actor, g.person_id, p.name AS person, g.on_roster, g.at, g.note
FROM duty.signature g LEFT JOIN duty.person p ON p.id = g.person_id
WHERE g.community_id = %(community_id)s AND g.hand_over_id = ANY (%(ids)s) ORDER BY g.at

-- name: hand_overs
SELECT h.id, h.change_at, h.note, h.made_at, o.name AS outgoing_name, i.name AS incoming_name,
       CASE WHEN %(whole)s THEN h.list END AS list
FROM duty.hand_over h LEFT JOIN duty.shift o ON o.id = h.outgoing_shift LEFT JOIN duty.shift i ON i.id = h.incoming_shift
WHERE h.community_id = %(community_id)s AND (%(id)s::bigint IS NULL OR h.id = %(id)s)
  AND h.change_at >= %(since)s AND h.change_at < %(until)s
ORDER BY h.change_at DESC LIMIT %(limit)s

-- name: insert_entry
INSERT INTO duty.entry (community_id, at, noted_at, kind, text, place, actor, corrects, alarm_id)
VALUES (%(community_id)s, %(at)s, %(noted_at)s, %(kind)s, %(text)s, %(place)s, %(actor)s, %(corrects)s, %(alarm_id)s)
RETURNING id

-- name: entries
SELECT e.*, c.id AS corrected_by FROM duty.entry e LEFT JOIN duty.entry c ON c.corrects = e.id AND
  c.community_id = e.community_id
WHERE e.community_id = %(community_id)s AND e.at >= %(since)s AND e.at < %(until)s AND e.id < %(before)s
  AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
  AND (%(words)s = '' OR strpos(lower(e.text || ' ' || e.place || ' ' || e.actor), lower(%(words)s)) > 0)
ORDER BY e.id DESC LIMIT %(limit)s

-- name: entry_count
SELECT count(*) AS total FROM duty.entry e WHERE e.community_id = %(community_id)s
  AND (%(kind)s::text IS NULL OR e.kind = %(kind)s)
  AND (%(words)s = '' OR strpos(lower(e.text || ' ' || e.place || ' ' || e.actor), lower(%(words)s)) > 0)

-- name: entry
SELECT e.id, c.id AS corrected_by FROM duty.entry e
LEFT JOIN duty.entry c ON c.corrects = e.id AND c.community_id = e.community_id
WHERE e.community_id = %(community_id)s AND e.id = %(id)s

-- name: next_number
INSERT INTO duty.day_count AS c (community_id, day, last) VALUES (%(community_id)s, %(day)s, 1)
ON CONFLICT (community_id, day) DO UPDATE SET last = c.last + 1 RETURNING last

-- name: insert_incident
INSERT INTO duty.incident (community_id, number, kind, occurred_at, place, what, persons, measures, police,
                           police_number, alarm_id, noted_by, noted_at)
VALUES (%(community_id)s, %(number)s, %(kind)s, %(occurred_at)s, %(place)s, %(what)s, %(persons)s, %(measures)s,
        %(police)s, %(police_number)s, %(alarm_id)s, %(actor)s, %(at)s) RETURNING id

-- name: incident_step
INSERT INTO duty.incident_step (community_id, incident_id, at, actor, action, text)
VALUES (%(community_id)s, %(id)s, %(at)s, %(actor)s, %(action)s, %(text)s)

-- name: lock_incident
SELECT id, state, police FROM duty.incident WHERE community_id = %(community_id)s AND id = %(id)s FOR UPDATE

-- name: incident_there
SELECT id FROM duty.incident WHERE community_id = %(community_id)s AND id = %(id)s

-- name: police_incident
UPDATE duty.incident SET police = true, police_number = %(text)s WHERE community_id = %(community_id)s AND id = %(id)s

-- name: close_incident
UPDATE duty.incident SET state = 'closed', closed_by = %(actor)s, closed_at = %(at)s, conclusion = %(text)s
WHERE community_id = %(community_id)s AND id = %(id)s

-- name: incidents
SELECT * FROM duty.incident WHERE community_id = %(community_id)s AND (%(id)s::bigint IS NULL OR id = %(id)s)
  AND (%(state)s::text IS NULL OR state = %(state)s) AND occurred_at >= %(since)s AND occurred_at < %(until)s
  AND id < %(before)s
  AND (%(words)s = '' OR strpos(lower(number || ' ' || what || ' ' || place || ' ' || noted_by), lower(%(words)s)) > 0)
ORDER BY id DESC LIMIT %(limit)s

-- name: incident_count
SELECT count(*) AS total FROM duty.incident WHERE community_id = %(community_id)s
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(words)s = '' OR strpos(lower(number || ' ' || what || ' ' || place || ' ' || noted_by), lower(%(words)s)) > 0)

-- name: incident_steps
SELECT at, actor, action, text FROM duty.incident_step
WHERE community_id = %(community_id)s AND incident_id = %(id)s ORDER BY id

-- name: alarm_there
SELECT id FROM hub.alarm WHERE community_id = %(community_id)s AND id = %(id)s

-- name: alarm_counts
SELECT priority, count(*) AS raised, count(*) FILTER (WHERE acknowledged_at IS NULL) AS unacknowledged
FROM hub.alarm WHERE community_id = %(community_id)s AND raised_at >= %(since)s AND raised_at < %(until)s
GROUP BY priority ORDER BY priority
