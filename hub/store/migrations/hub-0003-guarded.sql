-- The only doors of people's roles into the time series. Each asks for community and object together.
-- depends: hub-0002-telemetry

CREATE FUNCTION telemetry.last_values(devices int[])
RETURNS TABLE (point_id int, ts timestamptz, value double precision, quality smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.point_id, l.ts, l.value, l.quality
  FROM hub.point p JOIN telemetry.point_last l ON l.point_id = p.id
  WHERE p.device_id = ANY (devices) AND p.community_id = ANY (hub.communities())
    AND l.community_id = ANY (hub.communities())
$$;

CREATE FUNCTION telemetry.samples(point int, since timestamptz, until timestamptz, most int)
RETURNS TABLE (ts timestamptz, value double precision, quality smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.ts, s.value, s.quality FROM telemetry.sample s
  WHERE s.point_id = point AND s.ts >= since AND s.ts < until AND s.community_id = ANY (hub.communities())
  ORDER BY s.ts LIMIT most
$$;

CREATE FUNCTION telemetry.hours(point int, since timestamptz, until timestamptz)
RETURNS TABLE (bucket timestamptz, n int, vavg double precision, vmin double precision, vmax double precision,
               vfirst double precision, vlast double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.bucket, r.n, r.vsum / r.n, r.vmin, r.vmax, r.vfirst, r.vlast FROM telemetry.sample_1h r
  WHERE r.point_id = point AND r.bucket >= since AND r.bucket < until AND r.community_id = ANY (hub.communities())
  ORDER BY r.bucket
$$;

CREATE FUNCTION telemetry.days(point int, since timestamptz, until timestamptz)
RETURNS TABLE (bucket timestamptz, n int, vavg double precision, vmin double precision, vmax double precision,
               vfirst double precision, vlast double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.bucket, r.n, r.vsum / r.n, r.vmin, r.vmax, r.vfirst, r.vlast FROM telemetry.sample_1d r
  WHERE r.point_id = point AND r.bucket >= since AND r.bucket < until AND r.community_id = ANY (hub.communities())
  ORDER BY r.bucket
$$;

CREATE FUNCTION telemetry.reading_at(point int, moment timestamptz)
RETURNS TABLE (ts timestamptz, value double precision, quality smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.ts, s.value, s.quality FROM telemetry.sample s
  WHERE s.point_id = point AND s.ts <= moment AND s.quality & 1 = 0 AND s.community_id = ANY (hub.communities())
  ORDER BY s.ts DESC LIMIT 1
$$;

CREATE FUNCTION telemetry.events(device int, before timestamptz, before_id uuid, most int)
RETURNS TABLE (id uuid, ts timestamptz, received timestamptz, device_id int, name text, data jsonb, frame_key uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT e.id, e.ts, e.received, e.device_id, e.name, e.data, e.frame_key FROM telemetry.event e
  WHERE (device IS NULL OR e.device_id = device) AND e.community_id = ANY (hub.communities())
    AND (e.ts, e.id) < (before, before_id)
  ORDER BY e.ts DESC, e.id DESC LIMIT most
$$;

CREATE FUNCTION telemetry.event_by_id(event uuid)
RETURNS TABLE (id uuid, ts timestamptz, received timestamptz, device_id int, name text, data jsonb, frame_key uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT e.id, e.ts, e.received, e.device_id, e.name, e.data, e.frame_key FROM telemetry.event e
  WHERE e.id = event AND e.community_id = ANY (hub.communities())
$$;

CREATE FUNCTION telemetry.frames(device int, since timestamptz, until timestamptz, most int)
RETURNS TABLE (key uuid, ts timestamptz, received timestamptz, device_id int, source text, raw bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT f.key, f.ts, f.received, f.device_id, f.source, f.raw FROM telemetry.frame f
  WHERE f.device_id = device AND f.ts >= since AND f.ts <= until AND f.community_id = ANY (hub.communities())
  ORDER BY f.ts DESC, f.key DESC LIMIT most
$$;

CREATE FUNCTION telemetry.seen(devices int[]) RETURNS TABLE (device_id int, received timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT d.device_id, d.received FROM telemetry.device_last d
  WHERE d.device_id = ANY (devices) AND d.community_id = ANY (hub.communities())
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA telemetry FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.has_timescale TO hub_app, hub_ingest;
GRANT EXECUTE ON FUNCTION telemetry.ensure_day, telemetry.drop_before TO hub_ingest;
GRANT EXECUTE ON FUNCTION telemetry.last_values, telemetry.samples, telemetry.hours, telemetry.days,
  telemetry.reading_at, telemetry.events, telemetry.event_by_id, telemetry.frames, telemetry.seen
  TO hub_app, hub_ingest;
