-- Versions of rules, which of them is in force, back-tests; and the doors into history that a back-test reads.
-- depends: hub-0003-guarded

CREATE TABLE hub.rule_version (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  rule text NOT NULL,
  version int NOT NULL CHECK (version > 0),
  text text NOT NULL,
  digest text NOT NULL,
  source text NOT NULL CHECK (source IN ('file', 'page', 'api')),
  author text NOT NULL,
  at timestamptz NOT NULL,
  note text NOT NULL DEFAULT '',
  UNIQUE (community_id, rule, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.rule_version EXECUTE FUNCTION hub.append_only();

-- No row: the rule is as its file says. version NULL: the file's text, but enabled or not as said here.
CREATE TABLE hub.rule_state_now (
  community_id int NOT NULL REFERENCES hub.community,
  rule text NOT NULL,
  version int,
  enabled boolean NOT NULL,
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL,
  PRIMARY KEY (community_id, rule),
  FOREIGN KEY (community_id, rule, version) REFERENCES hub.rule_version (community_id, rule, version)
);

-- Back-tests that came to their end: enabling a version asks for one of its very text.
CREATE TABLE hub.rule_backtest (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  rule text NOT NULL,
  digest text NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  alarms int NOT NULL,
  result_hash text NOT NULL,
  result jsonb NOT NULL
);
CREATE INDEX ON hub.rule_backtest (community_id, digest);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.rule_backtest EXECUTE FUNCTION hub.append_only();

-- Up to when all that could be heard has been: how long a start was deaf. One row.
CREATE TABLE hub.heard_until (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  until timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON hub.heard_until TO hub_ingest;

DO $$ BEGIN
  PERFORM hub.guard_community(('hub.' || name)::regclass)
  FROM unnest(ARRAY['rule_version', 'rule_state_now', 'rule_backtest']) AS name;
END $$;
GRANT SELECT, INSERT ON hub.rule_version, hub.rule_backtest TO hub_app;
GRANT SELECT, INSERT, UPDATE ON hub.rule_state_now TO hub_app;
GRANT SELECT ON hub.rule_version, hub.rule_state_now, hub.rule_backtest TO hub_ingest;
CREATE INDEX alarm_rule ON hub.alarm (community_id, rule, raised_at);

-- false: no sign of life: the broker's memory, a last will, what an analysis found.
ALTER TABLE telemetry.frame ADD COLUMN alive boolean NOT NULL DEFAULT true;

CREATE FUNCTION telemetry.micros(moment timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (date_part('epoch', moment) * 1000000)::bigint $$;

CREATE FUNCTION telemetry.history(points int[], since timestamptz, until timestamptz)
RETURNS TABLE (us bigint, point_id int, value double precision, quality smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '32MB' AS $$
  SELECT telemetry.micros(s.ts), s.point_id, s.value, s.quality FROM telemetry.sample s
  WHERE s.point_id = ANY (points) AND s.ts >= since AND s.ts < until AND s.community_id = ANY (hub.communities())
  ORDER BY s.ts, s.point_id
$$;

-- The hours in which a reading may lie within low..high, those around each such hour, and of each point the next hour
-- with readings. Hours that are not rolled up yet count as such for every point.
CREATE FUNCTION telemetry.hours_within(
  points int[], since timestamptz, until timestamptz, low double precision, high double precision, around interval)
RETURNS TABLE (bucket timestamptz, point_id int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '32MB' AS $$
  WITH hot AS MATERIALIZED (
    SELECT r.point_id, r.bucket FROM telemetry.sample_1h r
    WHERE r.point_id = ANY (points) AND r.bucket > since - around - interval '1 hour' AND r.bucket < until + around
      AND r.vmax >= low AND r.vmin <= high AND r.community_id = ANY (hub.communities())
    UNION
    SELECT one, d.bucket FROM telemetry.rollup_dirty d, unnest(points) AS one
    WHERE d.community_id = ANY (hub.communities())
      AND d.bucket > since - around - interval '1 hour' AND d.bucket < until + around
  )
  SELECT wanted.bucket, wanted.point_id FROM (
    SELECT hot.point_id, hot.bucket + hour * interval '1 hour' AS bucket
    FROM hot, generate_series(-ceil(extract(epoch FROM around) / 3600)::int,
                              ceil(extract(epoch FROM around) / 3600)::int) AS hour
    UNION
    SELECT hot.point_id, next.bucket FROM hot, LATERAL (
      SELECT r.bucket FROM telemetry.sample_1h r
      WHERE r.point_id = hot.point_id AND r.bucket > hot.bucket + around ORDER BY r.bucket LIMIT 1) AS next
  ) AS wanted
  WHERE wanted.bucket > since - interval '1 hour' AND wanted.bucket < until
  ORDER BY 1, 2
$$;

CREATE FUNCTION telemetry.history_of(points int[], buckets timestamptz[], since timestamptz, until timestamptz)
RETURNS TABLE (us bigint, point_id int, value double precision, quality smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '32MB' AS $$
  SELECT telemetry.micros(s.ts), s.point_id, s.value, s.quality
  FROM unnest(points, buckets) AS wanted (point_id, bucket) JOIN telemetry.sample s
    ON s.point_id = wanted.point_id AND s.ts >= wanted.bucket AND s.ts < wanted.bucket + interval '1 hour'
  WHERE s.ts >= since AND s.ts < until AND s.community_id = ANY (hub.communities())
  ORDER BY s.ts, s.point_id
$$;

CREATE FUNCTION telemetry.event_history(devices int[], names text[], since timestamptz, until timestamptz)
RETURNS TABLE (us bigint, device_id int, id uuid, name text, data jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '32MB' AS $$
  SELECT telemetry.micros(e.ts), e.device_id, e.id, e.name, e.data FROM telemetry.event e
  WHERE e.device_id = ANY (devices) AND e.name = ANY (names) AND e.ts >= since AND e.ts < until
    AND e.community_id = ANY (hub.communities())
  ORDER BY e.ts, e.device_id, e.id
$$;

-- The first and the last sign of life of each step: a silence of at least a step shows as it was.
CREATE FUNCTION telemetry.heard_history(devices int[], since timestamptz, until timestamptz, step interval)
RETURNS TABLE (us bigint, device_id int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '32MB' AS $$
  SELECT DISTINCT telemetry.micros(edge.at), heard.device_id
  FROM (SELECT f.device_id, min(f.received) AS first, max(f.received) AS last FROM telemetry.frame f
        WHERE f.device_id = ANY (devices) AND f.ts >= since AND f.ts < until AND f.alive
          AND f.community_id = ANY (hub.communities())
        GROUP BY f.device_id, date_bin(step, f.received, timestamptz 'epoch')) AS heard,
    LATERAL (VALUES (heard.first), (heard.last)) AS edge (at)
  WHERE edge.at >= since AND edge.at < until
  ORDER BY 1, 2
$$;

CREATE FUNCTION telemetry.any_history(points int[], devices int[], since timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM telemetry.sample_1h r WHERE r.point_id = ANY (points) AND r.bucket > since - interval '1 hour'
                   AND r.bucket < until AND r.community_id = ANY (hub.communities()))
    OR EXISTS (SELECT FROM telemetry.sample s WHERE s.point_id = ANY (points) AND s.ts >= since AND s.ts < until
                 AND s.community_id = ANY (hub.communities()))
    OR EXISTS (SELECT FROM telemetry.frame f WHERE f.device_id = ANY (devices) AND f.ts >= since AND f.ts < until
                 AND f.community_id = ANY (hub.communities()))
    OR EXISTS (SELECT FROM telemetry.event e WHERE e.device_id = ANY (devices) AND e.ts >= since AND e.ts < until
                 AND e.community_id = ANY (hub.communities()))
$$;

REVOKE ALL ON FUNCTION telemetry.micros, telemetry.history, telemetry.hours_within, telemetry.history_of,
  telemetry.event_history, telemetry.any_history, telemetry.heard_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.history, telemetry.hours_within, telemetry.history_of, telemetry.event_history,
  telemetry.any_history, telemetry.heard_history TO hub_app, hub_ingest;
