-- The time series. No row security here (TimescaleDB refuses compression with it, and COPY refuses it): people's
-- roles cannot read these tables, only the guarded functions of hub-0003.
-- depends: hub-0001-core

CREATE SCHEMA telemetry;

-- A server that preloads TimescaleDB wants it used; this database gets it too, where our role may.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load' AND setting = 'off')
     AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    CREATE EXTENSION timescaledb SCHEMA public;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'community hub: % may not CREATE EXTENSION timescaledb in database %; it starts on native partitions '
    'and stays on them', current_user, current_database();
END $$;

-- Decided here for good: a partitioned table cannot become a hypertable. Compression needs TimescaleDB's own licence.
DO $$
DECLARE partitioned text := CASE WHEN current_setting('timescaledb.license', true) = 'timescale'
  AND EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN '' ELSE 'PARTITION BY RANGE (ts)' END;
BEGIN
  -- ts is the device's own time, cut to what it says; where it says nothing or nonsense, the time of receipt.
  EXECUTE 'CREATE TABLE telemetry.sample (
    ts timestamptz NOT NULL,
    value double precision NOT NULL,
    point_id int NOT NULL,
    community_id int NOT NULL,
    quality smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (point_id, ts)) ' || partitioned;
  -- The raw bytes of one device''s message: the inbox that makes a replay harmless, and the proof behind a bill.
  EXECUTE 'CREATE TABLE telemetry.frame (
    ts timestamptz NOT NULL,
    received timestamptz NOT NULL,
    key uuid NOT NULL,
    device_id int NOT NULL,
    community_id int NOT NULL,
    token int NOT NULL DEFAULT 0,
    source text NOT NULL,
    raw bytea NOT NULL,
    PRIMARY KEY (device_id, ts, key)) ' || partitioned;
  EXECUTE 'CREATE TABLE telemetry.event (
    ts timestamptz NOT NULL,
    received timestamptz NOT NULL,
    id uuid NOT NULL,
    frame_key uuid NOT NULL,
    device_id int NOT NULL,
    community_id int NOT NULL,
    name text NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (id, ts)) ' || partitioned;
END $$;
-- What was decided above, whatever has become of the extension and its licence since.
CREATE FUNCTION telemetry.has_timescale() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT relkind = 'r' FROM pg_class WHERE oid = 'telemetry.sample'::regclass $$;

CREATE INDEX event_device ON telemetry.event (device_id, ts DESC);
CREATE INDEX event_community ON telemetry.event (community_id, ts DESC);

CREATE TABLE telemetry.point_last (
  point_id int PRIMARY KEY,
  community_id int NOT NULL,
  ts timestamptz NOT NULL,
  value double precision,
  quality smallint NOT NULL
) WITH (fillfactor = 70);

-- Coarse to a few seconds: enough to know a silent device after a restart.
CREATE TABLE telemetry.device_last (
  device_id int PRIMARY KEY,
  community_id int NOT NULL,
  received timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE telemetry.sample_1h (
  bucket timestamptz NOT NULL,
  point_id int NOT NULL,
  community_id int NOT NULL,
  n int NOT NULL,
  vsum double precision NOT NULL,
  vmin double precision NOT NULL,
  vmax double precision NOT NULL,
  vfirst double precision NOT NULL,
  vlast double precision NOT NULL,
  PRIMARY KEY (point_id, bucket)
);
CREATE INDEX ON telemetry.sample_1h (community_id, bucket);
CREATE TABLE telemetry.sample_1d (LIKE telemetry.sample_1h INCLUDING ALL);

-- Append-only: a batch that commits after the roll-up's snapshot leaves its own row for the next run.
CREATE TABLE telemetry.rollup_dirty (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  bucket timestamptz NOT NULL
);

-- One partition a day and table. Under TimescaleDB chunks make themselves.
CREATE FUNCTION telemetry.ensure_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE parent text;
BEGIN
  IF telemetry.has_timescale() THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(4918273, (day - date '2000-01-01')::int);  -- two at once: IF NOT EXISTS does not help
  FOREACH parent IN ARRAY ARRAY['sample', 'frame', 'event'] LOOP
    EXECUTE format('CREATE TABLE IF NOT EXISTS telemetry.%I PARTITION OF telemetry.%I FOR VALUES FROM (%L) TO (%L)',
                   parent || '_p' || to_char(day, 'YYYYMMDD'), parent,
                   day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
  END LOOP;
END $$;

-- Retention: whole days of one table are dropped. Gives back what was dropped.
CREATE FUNCTION telemetry.drop_before(target text, day date) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE part text;
BEGIN
  IF target NOT IN ('sample', 'frame', 'event') THEN RAISE EXCEPTION 'no telemetry table %', target; END IF;
  IF telemetry.has_timescale() THEN
    RETURN QUERY EXECUTE format('SELECT public.drop_chunks(%L::regclass, %L::timestamptz)::text',
                                'telemetry.' || target, day::timestamp AT TIME ZONE 'UTC');
    RETURN;
  END IF;
  FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = ('telemetry.' || target)::regclass
                AND right(c.relname, 8) < to_char(day, 'YYYYMMDD') ORDER BY 1 LOOP
    EXECUTE format('DROP TABLE telemetry.%I', part);
    RETURN NEXT part;
  END LOOP;
END $$;

DO $$ BEGIN
  IF telemetry.has_timescale() THEN
    PERFORM create_hypertable('telemetry.sample', by_range('ts', INTERVAL '7 days'), create_default_indexes => false);
    PERFORM create_hypertable('telemetry.frame', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
    PERFORM create_hypertable('telemetry.event', by_range('ts', INTERVAL '7 days'), create_default_indexes => false);
    ALTER TABLE telemetry.sample SET (timescaledb.compress, timescaledb.compress_segmentby = 'community_id',
                                      timescaledb.compress_orderby = 'point_id, ts');
    PERFORM add_compression_policy('telemetry.sample', INTERVAL '7 days');
    -- Frames a day later: a message without a time of its own is looked for by its number seven days back.
    ALTER TABLE telemetry.frame SET (timescaledb.compress, timescaledb.compress_segmentby = 'community_id',
                                     timescaledb.compress_orderby = 'device_id, ts');
    PERFORM add_compression_policy('telemetry.frame', INTERVAL '8 days');
  END IF;
END $$;

GRANT USAGE ON SCHEMA telemetry TO hub_ingest, hub_app;
GRANT SELECT, INSERT ON telemetry.sample, telemetry.frame, telemetry.event TO hub_ingest;
GRANT SELECT, INSERT, UPDATE ON telemetry.point_last, telemetry.device_last, telemetry.sample_1h, telemetry.sample_1d
  TO hub_ingest;
GRANT SELECT, INSERT, DELETE ON telemetry.rollup_dirty TO hub_ingest;
REVOKE ALL ON FUNCTION telemetry.ensure_day, telemetry.drop_before FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.ensure_day, telemetry.drop_before TO hub_ingest;
