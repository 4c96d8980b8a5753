-- Back-tests: which stretches of history a rule has anything to do with, found where they are stored.
-- depends: hub-0012-clips

-- Few readings are bad, late, implausible or of the broker's memory; rules judge them otherwise.
CREATE INDEX sample_odd ON telemetry.sample (point_id, ts) WHERE quality & 29 <> 0;

-- Hours of which the roll-ups do not say what a rule was told: not rolled up yet, or with readings that came late or from
-- the broker's memory.
CREATE FUNCTION telemetry.odd_hours(points int[], since timestamptz, until timestamptz)
RETURNS TABLE (point_id int, bucket timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
  SELECT one, d.bucket FROM telemetry.rollup_dirty d, unnest(points) AS one
  WHERE d.bucket > since - interval '1 hour' AND d.bucket < until AND d.community_id = ANY (hub.communities())
  UNION
  SELECT s.point_id, date_bin('1 hour', s.ts, 'epoch') FROM telemetry.sample s
  WHERE s.point_id = ANY (points) AND s.ts > since - interval '1 hour' AND s.ts < until
    AND s.quality & 29 <> 0 AND s.quality & 20 <> 0 AND s.community_id = ANY ((SELECT hub.communities())::int[])
$$;

-- The hours in which a reading may lie within one of the ranges, those around each such hour, and of each point the next
-- hour with readings. Odd hours count as such. `lows`: where ranges begin, in order; `highs`: the furthest that any which
-- has begun by then goes. `around`: whole hours, or the next one may be one that is read anyway. `most` hours; any where
-- there are more, found without looking at all of them.
DROP FUNCTION telemetry.hours_within(int[], timestamptz, timestamptz, double precision, double precision, interval);
CREATE FUNCTION telemetry.hours_within(
  points int[], since timestamptz, until timestamptz, lows double precision[], highs double precision[], around interval,
  most int)
RETURNS TABLE (bucket timestamptz, point_id int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '32MB' AS $$
  WITH hot AS MATERIALIZED (
    (SELECT r.point_id, r.bucket FROM telemetry.sample_1h r
     WHERE r.point_id = ANY (points) AND r.bucket > since - around - interval '1 hour' AND r.bucket < until + around
       AND highs[width_bucket(r.vmax, lows)] >= r.vmin
       AND r.community_id = ANY ((SELECT hub.communities())::int[])
     LIMIT most)
    UNION
    (SELECT odd.point_id, odd.bucket FROM telemetry.odd_hours(points, since - around, until + around) AS odd LIMIT most)
  ), placed AS (  -- none where there are too many: those that were not looked at may matter
    SELECT hot.point_id, hot.bucket, lag(hot.bucket) OVER hours AS before, lead(hot.bucket) OVER hours AS after
    FROM hot WHERE (SELECT count(*) FROM hot) < most
    WINDOW hours AS (PARTITION BY hot.point_id ORDER BY hot.bucket)
  ), wanted AS (
    (SELECT placed.point_id, hour AS bucket FROM placed, generate_series(
       greatest(placed.bucket - around, placed.before + around + interval '1 hour'), placed.bucket + around,
       interval '1 hour') AS hour
     WHERE hour > since - interval '1 hour' AND hour < until
     LIMIT most)
    UNION
    SELECT placed.point_id, next.bucket FROM placed, LATERAL (
      SELECT r.bucket FROM telemetry.sample_1h r
      WHERE r.point_id = placed.point_id AND r.bucket > placed.bucket + around
        AND r.community_id = ANY ((SELECT hub.communities())::int[])
      ORDER BY r.bucket LIMIT 1) AS next
    WHERE (placed.after > placed.bucket + around + interval '1 hour') IS NOT FALSE  -- else what is next is its, or around it
      AND next.bucket > since - interval '1 hour' AND next.bucket < until
    UNION ALL
    SELECT hot.point_id, hot.bucket FROM hot WHERE (SELECT count(*) FROM hot) >= most
  )
  SELECT bounded.bucket, bounded.point_id FROM (SELECT * FROM wanted LIMIT most) AS bounded ORDER BY 1, 2
$$;

-- Runs of readings each of which lies as near to the one before as `still`, or moved at such a rate for `per` seconds
-- (`low` to `high`); those that may have lasted so long. From the reading before it (`begun`) to one that surely ends what
-- began with it (`ended`). `settled`: what a run brings is brought by then, where that is known: it stays within half of
-- `still`, has no longer gap, and nothing odd was said. Numbers that are beyond all measure count as both. `most` runs.
CREATE FUNCTION telemetry.runs(
  points int[], since timestamptz, until timestamptz, still double precision, per double precision,
  low double precision, high double precision, lasting interval, gap interval, most int)
RETURNS TABLE (point_id int, begun timestamptz, settled timestamptz, over timestamptz, ended timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '64MB' AS $$
  WITH pair AS (
    SELECT s.point_id, s.ts, s.value, s.quality, lag(s.ts) OVER told AS before, lag(s.ts, 2) OVER told AS earlier,
      lag(CASE WHEN s.quality & 9 = 0 THEN s.value END) OVER told AS was
    FROM telemetry.sample s
    WHERE s.point_id = ANY (points) AND s.ts >= since AND s.ts < until AND s.quality & 4 = 0
      AND (still IS NULL OR s.quality & 25 = 0) AND s.community_id = ANY ((SELECT hub.communities())::int[])
    WINDOW told AS (PARTITION BY s.point_id ORDER BY s.ts)
  ), hot AS (
    SELECT *, lag(ts) OVER (PARTITION BY point_id ORDER BY ts) IS DISTINCT FROM before AS begins,
      coalesce(earlier, (  -- what stands still does so since then, were it the broker's memory
        SELECT max(odd.ts) FROM telemetry.sample odd WHERE odd.point_id = pair.point_id AND odd.ts >= since
          AND odd.ts < before AND odd.quality & 29 <> 0 AND odd.quality & 16 <> 0
          AND odd.community_id = ANY ((SELECT hub.communities())::int[])), before) AS begin
    FROM pair
    WHERE quality & 25 = 0 AND was IS NOT NULL AND (greatest(abs(value), abs(was)) > 1e150 OR CASE WHEN still IS NOT NULL
      THEN abs(value - was) <= still
      ELSE (value - was) * per / date_part('epoch', ts - before) BETWEEN low AND high END)
  ), numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY point_id ORDER BY ts) AS run FROM hot
  ), run AS MATERIALIZED (
    SELECT point_id, min(begin) AS begun, min(before) AS first, max(ts) AS over,
      max(ts - before) AS gap, least(min(value), min(was)) AS least, greatest(max(value), max(was)) AS most
    FROM numbered GROUP BY point_id, run HAVING max(ts) - min(begin) >= lasting
    LIMIT most
  )
  SELECT run.point_id, run.begun, settled.ts, run.over, coalesce(ended.ts, run.over) FROM run
  LEFT JOIN LATERAL (
    SELECT s.ts FROM telemetry.sample s
    WHERE s.point_id = run.point_id AND s.ts >= run.first + lasting AND s.ts <= run.over AND s.quality & 29 = 0
      AND run.gap <= runs.gap AND s.community_id = ANY ((SELECT hub.communities())::int[])
      AND CASE WHEN greatest(abs(run.least), abs(run.most)) <= 1e150 THEN run.most - run.least <= still / 2 * (1 - 1e-8) END
    ORDER BY s.ts LIMIT 1
  ) AS settled ON NOT EXISTS (
    SELECT FROM telemetry.sample odd WHERE odd.point_id = run.point_id AND odd.ts >= run.begun AND odd.ts <= settled.ts
      AND odd.quality & 29 <> 0 AND odd.community_id = ANY ((SELECT hub.communities())::int[]))
  LEFT JOIN LATERAL (
    SELECT s.ts FROM telemetry.sample s
    WHERE s.point_id = run.point_id AND s.ts > run.over AND s.ts < until AND s.quality & 29 = 0
      AND s.community_id = ANY ((SELECT hub.communities())::int[])
      AND (still IS NOT NULL OR (
        SELECT b.quality & 9 FROM telemetry.sample b WHERE b.point_id = s.point_id AND b.ts < s.ts AND b.ts >= run.over
          AND b.quality & 4 = 0 AND b.community_id = ANY ((SELECT hub.communities())::int[])
        ORDER BY b.ts DESC LIMIT 1) = 0)
    ORDER BY s.ts LIMIT 1
  ) AS ended ON true
$$;

REVOKE ALL ON FUNCTION telemetry.odd_hours, telemetry.hours_within, telemetry.runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.odd_hours, telemetry.hours_within, telemetry.runs TO hub_app, hub_ingest;
