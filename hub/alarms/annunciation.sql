-- name: alone
SELECT pg_advisory_xact_lock(%(lock)s, %(community_id)s)

-- name: desk
SELECT
  (SELECT count(*) FROM hub.annunciation WHERE community_id = %(community_id)s AND NOT life_safety
     AND at > %(since)s AND at <= %(ahead)s),
  (SELECT id FROM hub.alarm_storm WHERE community_id = %(community_id)s AND ended_at IS NULL)

-- name: storms
SELECT community_id, id FROM hub.alarm_storm WHERE community_id = ANY (%(communities)s) AND ended_at IS NULL

-- name: begin_storm
INSERT INTO hub.alarm_storm (community_id, since, last_at) VALUES (%(community_id)s, %(at)s, %(at)s) RETURNING id

-- name: count_storm
UPDATE hub.alarm_storm SET counted = counted + %(counted)s, annunciated = annunciated + %(annunciated)s,
  last_at = CASE WHEN %(asked)s THEN %(at)s ELSE last_at END
WHERE id = %(id)s

-- name: count_groups
INSERT INTO hub.alarm_storm_group AS g (community_id, storm_id, rule, place, title, count)
SELECT r.community_id, r.storm_id, r.rule, r.place, r.title, r.count
FROM jsonb_to_recordset(%(rows)s) AS r (community_id int, storm_id bigint, rule text, place text, title jsonb, count int)
ON CONFLICT (storm_id, rule, place) DO UPDATE SET count = g.count + excluded.count

-- name: record
INSERT INTO hub.annunciation (community_id, at, alarm_id, storm_id, life_safety)
SELECT r.community_id, %(at)s, r.alarm_id, r.storm_id, r.life_safety
FROM jsonb_to_recordset(%(rows)s) AS r (community_id int, alarm_id bigint, storm_id bigint, life_safety boolean)
