-- How far the analyses over stored hours have come, and their door into the roll-ups.
-- depends: hub-0003-guarded

CREATE TABLE hub.analysis_hour (
  community_id int PRIMARY KEY REFERENCES hub.community,
  hour timestamptz NOT NULL
);
DO $$ BEGIN PERFORM hub.guard_community('hub.analysis_hour'); END $$;
GRANT SELECT, INSERT, UPDATE ON hub.analysis_hour TO hub_app;

CREATE FUNCTION telemetry.hours_of(points int[], buckets timestamptz[])
RETURNS TABLE (point_id int, bucket timestamptz, vavg double precision, vlast double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.point_id, r.bucket, r.vsum / r.n, r.vlast FROM telemetry.sample_1h r
  WHERE r.point_id = ANY (points) AND r.bucket = ANY (buckets) AND r.community_id = ANY (hub.communities())
$$;
REVOKE ALL ON FUNCTION telemetry.hours_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.hours_of TO hub_app, hub_ingest;
