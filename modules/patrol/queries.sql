-- name: communities
SELECT id, code, time_zone FROM hub.community WHERE id = ANY (%(ids)s)

-- name: put_round
INSERT INTO patrol.round (community_id, plan, route, device, post, opens, begins, ends, closes, checkpoints, spec,
                          version, wake_at, changed_at)
VALUES (%(community_id)s, %(plan)s, %(route)s, %(device)s, %(post)s, %(opens)s, %(begins)s, %(ends)s, %(closes)s,
        %(checkpoints)s, %(spec)s, %(version)s, %(opens)s, %(at)s)
ON CONFLICT (community_id, plan, begins) DO NOTHING

-- name: ahead
-- A phone or reader whose clock is a little ahead begins a round before it opens.
SELECT id, plan, route, device, post, opens, begins, ends, closes, spec FROM patrol.round
WHERE community_id = %(community_id)s AND opens > %(now)s AND told = '{}'
FOR UPDATE

-- name: begun
SELECT plan, device, closes FROM patrol.round
WHERE community_id = %(community_id)s AND closes > %(now)s AND (opens <= %(now)s OR told <> '{}')

-- name: drop
DELETE FROM patrol.round WHERE community_id = %(community_id)s AND id = ANY (%(ids)s)

-- name: adopt
UPDATE patrol.round SET version = %(version)s
WHERE community_id = %(community_id)s AND opens > %(now)s AND told = '{}' AND version IS DISTINCT FROM %(version)s

-- name: outdated
-- A text that is taken once more is the newest again.
DELETE FROM patrol.version v WHERE community_id = %(community_id)s AND digest = %(digest)s AND EXISTS (
  SELECT FROM patrol.version o WHERE o.community_id = v.community_id AND o.digest <> v.digest AND o.since >= v.since
)

-- name: put_version
INSERT INTO patrol.version (community_id, digest, file, since) VALUES (%(community_id)s, %(digest)s, %(file)s, %(at)s)
ON CONFLICT DO NOTHING

-- name: version
SELECT file FROM patrol.version WHERE community_id = %(community_id)s AND digest = %(digest)s

-- name: newest_version
SELECT file FROM patrol.version WHERE community_id = %(community_id)s ORDER BY since DESC LIMIT 1

-- name: versions_open
SELECT DISTINCT version FROM patrol.round
WHERE community_id = %(community_id)s AND closes > %(now)s AND version IS NOT NULL

-- name: versions_at
SELECT r.version, array_agg(DISTINCT c.name) AS names FROM patrol.round r CROSS JOIN LATERAL unnest(r.checkpoints) c (name)
WHERE r.community_id = %(community_id)s AND r.opens <= %(at)s AND r.closes > %(at)s
GROUP BY r.version

-- name: forget_versions
DELETE FROM patrol.version v WHERE community_id = %(community_id)s AND digest IS DISTINCT FROM %(current)s
  AND NOT EXISTS (SELECT FROM patrol.round r WHERE r.community_id = v.community_id AND r.version = v.digest)
  AND NOT EXISTS (SELECT FROM patrol.plan_version p WHERE p.community_id = v.community_id AND p.digest = v.digest)

-- name: unexpected
SELECT id, post, begins, ends FROM patrol.round
WHERE community_id = %(community_id)s AND wake_at IS NOT NULL AND post IS NOT NULL AND opens <= %(now)s
  AND (expected_at IS NULL OR (expected_at < begins AND begins <= %(now)s))
ORDER BY begins, id LIMIT %(limit)s

-- name: expect
-- A round that is not closed is looked at again, to mark who stood in.
UPDATE patrol.round SET expected = %(expected)s, expected_at = %(at)s,
  wake_at = CASE WHEN expected IS DISTINCT FROM %(expected)s THEN least(wake_at, %(at)s) ELSE wake_at END
WHERE community_id = %(community_id)s AND id = %(id)s AND wake_at IS NOT NULL

-- name: due
SELECT * FROM patrol.round r WHERE community_id = %(community_id)s AND wake_at <= %(now)s
  AND (wake_at <= %(waited)s OR (wake_at <= %(heard)s AND NOT EXISTS (
    SELECT FROM patrol.unheard u WHERE u.community_id = r.community_id AND u.at >= r.opens AND u.at <= r.wake_at)))
ORDER BY wake_at, id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: rounds_at
SELECT * FROM patrol.round
WHERE community_id = %(community_id)s AND opens <= %(at)s AND closes > %(at)s AND %(checkpoint)s = ANY (checkpoints)
ORDER BY id
FOR UPDATE

-- name: unheard
SELECT min(at) AS at FROM patrol.unheard
WHERE community_id = %(community_id)s AND at >= %(opens)s AND at < %(closes)s

-- name: evidence_of
-- Of one proof only the first and strongest counts; a reader that never stops tapping must not be read line by line.
SELECT min(key) AS key, checkpoint, sort, proof, weight, min(at) AS at, min(received) AS received, person, timely, offline,
       max(away) AS away
FROM patrol.evidence
WHERE community_id = %(community_id)s AND checkpoint = ANY (%(checkpoints)s)
  AND at >= %(opens)s AND at < %(closes)s
GROUP BY checkpoint, sort, proof, weight, person, timely, offline, away IS NULL,
  CASE WHEN timely THEN key END

-- name: answered
SELECT DISTINCT checkpoint, item FROM patrol.inspection
WHERE community_id = %(community_id)s AND checkpoint = ANY (%(checkpoints)s) AND at >= %(opens)s AND at < %(closes)s

-- name: photographed
SELECT DISTINCT checkpoint, item FROM patrol.photo
WHERE community_id = %(community_id)s AND checkpoint = ANY (%(checkpoints)s) AND at >= %(opens)s AND at < %(closes)s
  AND item <> ''

-- name: settle
UPDATE patrol.round SET state = %(state)s, visits = %(visits)s, told = %(told)s, done = %(done)s, flags = %(flags)s,
  people = %(people)s, proved_later = %(proved_later)s, finished_at = %(finished_at)s, wake_at = %(wake_at)s,
  changed_at = %(at)s
WHERE id = %(id)s AND community_id = %(community_id)s

-- name: put_evidence
INSERT INTO patrol.evidence (community_id, key, checkpoint, sort, proof, device_id, weight, at, received, person, card,
                             timely, offline, doubtful, away, lat, lon, accuracy)
VALUES (%(community_id)s, %(key)s, %(checkpoint)s, %(sort)s, %(proof)s, %(device_id)s, %(weight)s, %(at)s,
        %(received)s, %(person)s, %(card)s, %(timely)s, %(offline)s, %(doubtful)s,
        %(away)s, %(lat)s, %(lon)s, %(accuracy)s)
ON CONFLICT (community_id, key, checkpoint) DO NOTHING
RETURNING id

-- name: known
SELECT id, checkpoint, at, away FROM patrol.evidence WHERE community_id = %(community_id)s AND key = %(key)s LIMIT 1

-- name: use_code
INSERT INTO patrol.used_code (community_id, nonce, key, at) VALUES (%(community_id)s, %(nonce)s, %(key)s, %(at)s)
ON CONFLICT DO NOTHING
RETURNING nonce

-- name: used_by
SELECT key FROM patrol.used_code WHERE community_id = %(community_id)s AND nonce = %(nonce)s

-- name: forget_codes
DELETE FROM patrol.used_code WHERE community_id = %(community_id)s AND at < %(before)s

-- name: forget_rounds
-- Here and below: of the oldest 5000 those past their time, never the whole table.
DELETE FROM patrol.round WHERE community_id = %(community_id)s AND id IN (
  SELECT id FROM (SELECT id, closes FROM patrol.round WHERE community_id = %(community_id)s ORDER BY id LIMIT 5000) AS oldest
  WHERE closes < %(before)s)

-- name: forget_evidence
DELETE FROM patrol.evidence WHERE community_id = %(community_id)s AND id IN (
  SELECT id FROM (SELECT id, received FROM patrol.evidence WHERE community_id = %(community_id)s ORDER BY id LIMIT 5000)
  AS oldest WHERE received < least(%(before)s, now() - interval '180 days'))

-- name: forget_inspections
DELETE FROM patrol.inspection WHERE community_id = %(community_id)s AND id IN (
  SELECT id FROM (SELECT id, received FROM patrol.inspection WHERE community_id = %(community_id)s ORDER BY id LIMIT 5000)
  AS oldest WHERE received < least(%(before)s, now() - interval '180 days'))

-- name: forget_photos
DELETE FROM patrol.photo WHERE community_id = %(community_id)s AND id IN (
  SELECT id FROM (SELECT id, received FROM patrol.photo WHERE community_id = %(community_id)s ORDER BY received LIMIT 5000)
  AS oldest WHERE received < least(%(before)s, now() - interval '180 days'))

-- name: make_key
INSERT INTO patrol.signing_key (community_id, key) VALUES (%(community_id)s, %(key)s) ON CONFLICT DO NOTHING

-- name: key
SELECT key FROM patrol.signing_key WHERE community_id = %(community_id)s

-- name: generations
SELECT checkpoint, generation FROM patrol.code_generation WHERE community_id = %(community_id)s

-- name: renew_code
INSERT INTO patrol.code_generation AS c (community_id, checkpoint, generation)
VALUES (%(community_id)s, %(checkpoint)s, 2)
ON CONFLICT (community_id, checkpoint) DO UPDATE SET generation = c.generation + 1
RETURNING generation

-- name: reading_at
SELECT ts, value FROM telemetry.reading_at(%(point)s, %(at)s)

-- name: put_inspection
INSERT INTO patrol.inspection (community_id, key, checkpoint, item, at, received, person, value, sensor, sensor_at,
                               deviates, uncompared, note)
VALUES (%(community_id)s, %(key)s, %(checkpoint)s, %(item)s, %(at)s, %(received)s, %(person)s, %(value)s, %(sensor)s,
        %(sensor_at)s, %(deviates)s, %(uncompared)s, %(note)s)
ON CONFLICT (community_id, key, item) DO NOTHING
RETURNING id

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('patrol.' || %(subject)s, %(community_id)s))

-- name: photo
SELECT key, picture FROM patrol.photo WHERE community_id = %(community_id)s AND id = %(id)s

-- name: photos_of
SELECT id, item, picture FROM patrol.photo WHERE community_id = %(community_id)s AND key = %(key)s

-- name: put_photo
INSERT INTO patrol.photo (community_id, id, key, checkpoint, item, at, received, person, picture)
VALUES (%(community_id)s, %(id)s, %(key)s, %(checkpoint)s, %(item)s, %(at)s, %(received)s, %(person)s, %(picture)s)

-- name: photos
SELECT p.checkpoint, p.item, p.at, p.received, p.person, p.picture, h.body IS NULL AS gone
FROM patrol.photo p JOIN hub.picture h ON h.community_id = p.community_id AND h.id = p.picture
WHERE p.community_id = %(community_id)s AND (%(checkpoints)s::text[] IS NULL OR p.checkpoint = ANY (%(checkpoints)s))
  AND p.at >= %(opens)s AND p.at < %(closes)s
ORDER BY p.at DESC, p.received DESC LIMIT %(limit)s

-- name: page
SELECT id, community_id, plan, route, device, post, expected, opens, begins, ends, closes, checkpoints, state, visits,
       done, flags, people, proved_later, finished_at, changed_at, version
FROM patrol.round
WHERE community_id = %(community_id)s AND (begins >= %(since)s OR closes > %(open_at)s) AND begins < %(until)s
  AND (%(plan)s::text IS NULL OR plan = %(plan)s)
  AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
  AND (begins, id) < (%(before)s, %(before_id)s)
ORDER BY begins DESC, id DESC
LIMIT %(limit)s

-- name: one
SELECT * FROM patrol.round WHERE community_id = %(community_id)s AND id = %(id)s

-- name: evidence_list
SELECT id, checkpoint, sort, proof, device_id, weight, at, received, person, card, timely, offline, doubtful,
       away, lat, lon, accuracy
FROM patrol.evidence
WHERE community_id = %(community_id)s AND checkpoint = ANY (%(checkpoints)s) AND at >= %(opens)s AND at < %(closes)s
ORDER BY at, id LIMIT 500

-- name: inspections
SELECT id, checkpoint, item, at, received, person, value, sensor, sensor_at, deviates, uncompared, note
FROM patrol.inspection
WHERE community_id = %(community_id)s AND checkpoint = ANY (%(checkpoints)s) AND at >= %(opens)s AND at < %(closes)s
ORDER BY at, id LIMIT 500

-- name: coverage
SELECT v ->> 'checkpoint' AS checkpoint, count(*)::int AS planned,
       count(*) FILTER (WHERE v ->> 'done_at' IS NOT NULL)::int AS done,
       count(*) FILTER (WHERE (v ->> 'late')::boolean AND v ->> 'done_at' IS NOT NULL)::int AS late,
       coalesce(sum(jsonb_array_length(v -> 'unanswered')), 0)::int AS unanswered,
       count(DISTINCT (r.begins AT TIME ZONE %(zone)s)::date)::int AS days,
       count(DISTINCT (r.begins AT TIME ZONE %(zone)s)::date) FILTER (WHERE v ->> 'done_at' IS NOT NULL)::int AS days_seen
FROM patrol.round r CROSS JOIN LATERAL jsonb_array_elements(r.visits) v
WHERE r.community_id = %(community_id)s AND r.begins >= %(since)s AND r.closes <= %(now)s
GROUP BY 1

-- name: last_seen
SELECT e.checkpoint, e.at, e.sort, e.person
FROM unnest(%(checkpoints)s::text[]) c(name)
CROSS JOIN LATERAL (
  SELECT checkpoint, at, sort, person FROM patrol.evidence
  WHERE community_id = %(community_id)s AND checkpoint = c.name ORDER BY at DESC LIMIT 1
) e

-- name: results
SELECT plan, state, count(*)::int AS rounds, count(*) FILTER (WHERE proved_later)::int AS proved_later
FROM patrol.round
WHERE community_id = %(community_id)s AND begins >= %(since)s AND closes <= %(now)s
GROUP BY plan, state

-- name: log
SELECT r.id, r.version, r.plan, r.route, r.begins, r.state, r.proved_later, r.post, r.expected, v ->> 'checkpoint' AS checkpoint,
       (v ->> 'due')::timestamptz AS due, (v ->> 'done_at')::timestamptz AS done_at, v ->> 'person' AS person,
       v -> 'sorts' AS sorts, (v ->> 'late')::boolean AS late, (v ->> 'out_of_order')::boolean AS out_of_order,
       (v ->> 'too_fast')::boolean AS too_fast, v -> 'unanswered' AS unanswered,
       coalesce(v -> 'unphotographed', '[]') AS unphotographed,
       (v ->> 'away')::int AS away, coalesce((v ->> 'stand_in')::boolean, false) AS stand_in, (
         SELECT count(*)::int FROM patrol.inspection i
         WHERE i.community_id = r.community_id AND i.checkpoint = v ->> 'checkpoint' AND i.uncompared
           AND i.at >= r.opens AND i.at < r.closes
       ) AS uncompared
FROM patrol.round r CROSS JOIN LATERAL jsonb_array_elements(r.visits) WITH ORDINALITY t(v, n)
WHERE r.community_id = %(community_id)s AND r.begins >= %(since)s AND r.begins < %(until)s
ORDER BY r.begins, r.id, t.n
LIMIT %(limit)s
