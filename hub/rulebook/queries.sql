-- name: samples
SELECT * FROM telemetry.history(%(points)s::int[], %(since)s, %(until)s)

-- name: hours_within
SELECT h.bucket, h.point_id, NULL::float8 FROM telemetry.hours_within(
  %(points)s::int[], %(since)s, %(until)s, %(lows)s::float8[], %(highs)s::float8[], %(around)s, %(most)s) AS h

-- name: runs
SELECT * FROM telemetry.runs(%(points)s::int[], %(since)s, %(until)s, %(still)s, %(per)s, %(low)s, %(high)s, %(lasting)s,
  %(gap)s, %(most)s)

-- name: readings
SELECT p AS point_id, coalesce(sum(d.n), 0)::bigint AS readings
FROM unnest(%(points)s::int[]) AS p LEFT JOIN LATERAL telemetry.days(p, %(since)s, %(until)s) AS d ON true
GROUP BY 1 ORDER BY 1

-- name: much_memory
SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)

-- name: hours_moved
WITH odd AS MATERIALIZED (
  SELECT * FROM telemetry.odd_hours(%(points)s::int[], date_bin('1 hour', %(since)s, 'epoch'), %(until)s)
), known AS MATERIALIZED (  -- what the roll-ups do not say may be anything
  SELECT p AS point_id, h.bucket, h.vmin, h.vmax
  FROM unnest(%(points)s::int[]) AS p, telemetry.hours(p, date_bin('1 hour', %(since)s, 'epoch'), %(until)s) AS h
  WHERE (p, h.bucket) NOT IN (SELECT point_id, bucket FROM odd)
  UNION ALL
  SELECT point_id, bucket, '-infinity', 'infinity' FROM odd
), spread AS MATERIALIZED (
  SELECT point_id, bucket, lag(bucket) OVER hours AS before, first_value(bucket) OVER later AS after,
    greatest(max(vmax) OVER around, lag(vmax) OVER hours) - least(min(vmin) OVER around, lag(vmin) OVER hours) AS moved
  FROM known
  WINDOW hours AS (PARTITION BY point_id ORDER BY bucket),
    around AS (PARTITION BY point_id ORDER BY bucket RANGE BETWEEN %(around)s PRECEDING AND CURRENT ROW),
    later AS (PARTITION BY point_id ORDER BY bucket
              RANGE BETWEEN %(around)s + interval '1 hour' FOLLOWING AND UNBOUNDED FOLLOWING)
), hot AS MATERIALIZED (
  SELECT * FROM spread WHERE moved > %(moved)s LIMIT %(most)s  -- each is wanted itself: more are too many anyway
), wanted AS MATERIALIZED (
  SELECT point_id, hour AS bucket FROM hot, generate_series(
    least(before, bucket - %(around)s), bucket + %(around)s, interval '1 hour') AS hour
  WHERE hour >= date_bin('1 hour', %(since)s, 'epoch') AND hour < %(until)s
  UNION
  SELECT point_id, after FROM hot WHERE after IS NOT NULL
)
SELECT w.bucket, w.point_id, CASE WHEN s.before IS NOT NULL AND b.bucket IS NULL THEN float8 'NaN' END
FROM wanted w LEFT JOIN spread s USING (point_id, bucket)
  LEFT JOIN wanted b ON b.point_id = s.point_id AND b.bucket = s.before
ORDER BY 1, 2 LIMIT %(most)s

-- name: samples_of
SELECT * FROM telemetry.history_of(%(points)s::int[], %(buckets)s::timestamptz[], %(since)s, %(until)s)

-- name: events
SELECT * FROM telemetry.event_history(%(devices)s::int[], %(names)s::text[], %(since)s, %(until)s)

-- name: any_history
SELECT telemetry.any_history(%(points)s::int[], %(devices)s::int[], %(since)s, %(until)s) AS seen

-- name: heard
SELECT * FROM telemetry.heard_history(%(devices)s::int[], %(since)s, %(until)s, %(step)s)

-- name: really_raised
SELECT device_id, raised_at FROM hub.alarm WHERE rule = %(rule)s AND raised_at >= %(since)s AND raised_at < %(until)s
UNION  -- an alarm that comes again before somebody saw it is one alarm, but was raised twice
SELECT device_id, at FROM hub.rule_decision
WHERE rule = %(rule)s AND outcome = 'raised' AND at >= %(since)s AND at < %(until)s
ORDER BY 2, 1 LIMIT 10000

-- name: keep_backtest
INSERT INTO hub.rule_backtest (community_id, rule, digest, since, until, at, actor, alarms, result_hash, result)
VALUES (%(community_id)s, %(rule)s, %(digest)s, %(since)s, %(until)s, %(at)s, %(actor)s, %(alarms)s, %(hash)s, %(result)s)
RETURNING id

-- name: backtests
SELECT id, digest, since, until, at, actor, alarms, result_hash FROM hub.rule_backtest
WHERE rule = %(rule)s ORDER BY id DESC LIMIT 20

-- name: backtested
SELECT bool_or((result->>'seen')::boolean) AS seen FROM hub.rule_backtest WHERE digest = %(digest)s

-- name: tried
SELECT DISTINCT digest FROM hub.rule_backtest WHERE digest = ANY (%(digests)s) AND (result->>'seen')::boolean

-- name: latest_versions
SELECT DISTINCT ON (rule) rule, version, digest, note FROM hub.rule_version
WHERE community_id = %(community_id)s AND source = ANY (%(sources)s) ORDER BY rule, version DESC

-- name: changed_packs
SELECT DISTINCT note FROM hub.rule_version
WHERE community_id = %(community_id)s AND source = 'file' AND note = ANY (%(packs)s)
GROUP BY rule, note HAVING count(DISTINCT digest) > 1

-- name: lock_rule
SELECT pg_advisory_xact_lock(4918274, hashtext(%(community_id)s || ' ' || %(rule)s))

-- name: add_version
INSERT INTO hub.rule_version (community_id, rule, version, text, digest, source, author, at, note)
SELECT %(community_id)s, %(rule)s, coalesce(max(v.version), 0) + 1, %(text)s, %(digest)s, %(source)s, %(author)s, %(at)s,
  %(note)s FROM hub.rule_version v WHERE v.community_id = %(community_id)s AND v.rule = %(rule)s
RETURNING version

-- name: versions
SELECT version, digest, source, author, at, note FROM hub.rule_version WHERE rule = %(rule)s
ORDER BY version DESC LIMIT 200

-- name: version
SELECT version, text, digest, source, author, at, note FROM hub.rule_version
WHERE rule = %(rule)s AND version = %(version)s

-- name: states
SELECT s.community_id, s.rule, s.version, s.enabled, s.changed_at, s.changed_by, v.text, v.digest
FROM hub.rule_state_now s LEFT JOIN hub.rule_version v USING (community_id, rule, version)
WHERE s.community_id = ANY (%(communities)s::int[])

-- name: set_state
INSERT INTO hub.rule_state_now (community_id, rule, version, enabled, changed_at, changed_by)
VALUES (%(community_id)s, %(rule)s, %(version)s, %(enabled)s, %(at)s, %(by)s)
ON CONFLICT (community_id, rule) DO UPDATE SET version = excluded.version, enabled = excluded.enabled,
  changed_at = excluded.changed_at, changed_by = excluded.changed_by

-- name: drafts
SELECT DISTINCT ON (rule) rule, version, text, author, at FROM hub.rule_version
WHERE community_id = %(community_id)s AND source <> 'file' ORDER BY rule, version DESC

-- name: alarm_counts
SELECT rule, count(*) AS count FROM hub.alarm WHERE raised_at >= %(since)s GROUP BY rule
