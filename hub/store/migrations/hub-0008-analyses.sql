-- Which hours the analyses have judged, which of them changed since, and their doors into the roll-ups.
-- depends: hub-0003-guarded

-- Intervals that end at `hour`, of the last two days. found: [[rule, device id], …] in which something was wrong.
CREATE TABLE hub.analysis_hour (
  community_id int NOT NULL REFERENCES hub.community,
  hour timestamptz NOT NULL,
  again boolean NOT NULL DEFAULT false,
  found jsonb NOT NULL,
  PRIMARY KEY (community_id, hour)
);
DO $$ BEGIN PERFORM hub.guard_community('hub.analysis_hour'); END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON hub.analysis_hour TO hub_app;

-- Hours that were over when they were rolled up. Append-only: a roll-up that commits later leaves its own row.
CREATE TABLE telemetry.hour_changed (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  bucket timestamptz NOT NULL
);
GRANT INSERT ON telemetry.hour_changed TO hub_ingest;

CREATE FUNCTION telemetry.take_changed(before timestamptz) RETURNS SETOF timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM telemetry.hour_changed c WHERE c.community_id = ANY (hub.communities()) AND c.bucket < before
  RETURNING c.bucket
$$;

CREATE FUNCTION telemetry.any_dirty(buckets timestamptz[]) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM telemetry.rollup_dirty d
                 WHERE d.community_id = ANY (hub.communities()) AND d.bucket = ANY (buckets))
$$;

CREATE FUNCTION telemetry.hours_of(points int[], buckets timestamptz[])
RETURNS TABLE (point_id int, bucket timestamptz, vavg double precision, vlast double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.point_id, r.bucket, r.vsum / r.n, r.vlast FROM telemetry.sample_1h r
  WHERE r.point_id = ANY (points) AND r.bucket = ANY (buckets) AND r.community_id = ANY (hub.communities())
$$;
REVOKE ALL ON FUNCTION telemetry.hours_of, telemetry.take_changed, telemetry.any_dirty FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.take_changed, telemetry.any_dirty TO hub_app;
GRANT EXECUTE ON FUNCTION telemetry.hours_of TO hub_app, hub_ingest;
