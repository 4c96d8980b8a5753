-- The audit log as a hash chain, one a community (ADR 0018), and what an evidence pack reads.
-- depends: hub-0003-guarded

-- A link holds one row of hub.audit for good. Community 0 is the chain of rows without one.
CREATE TABLE hub.audit_chain (
  community_id int NOT NULL,
  seq bigint NOT NULL,
  audit_id bigint NOT NULL UNIQUE,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (community_id, seq)
);
CREATE TABLE hub.audit_head (
  community_id int PRIMARY KEY,
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hub.audit_chain EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER never_shorter BEFORE DELETE OR TRUNCATE ON hub.audit_head EXECUTE FUNCTION hub.append_only();

-- The canonical form: this text in UTF-8 is what is hashed. A time jsonb could not tell exactly is refused.
CREATE FUNCTION hub.audit_text(r hub.audit, chain_seq bigint, prev bytea) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('id', r.id, 'seq', chain_seq, 'prev', encode(prev, 'hex'), 'community', r.community_id,
    'at', to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'actor', r.actor, 'action', r.action,
    'object', r.object, 'detail', r.detail, 'remote', r.remote)::text
  WHERE r.at >= '0001-01-01 00:00:00+00' AND r.at < '10000-01-01 00:00:00+00'
$$;

CREATE FUNCTION hub.link_audit(r hub.audit) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  chain int := coalesce(r.community_id, 0);
  last hub.audit_head;
  linked bytea;
BEGIN
  INSERT INTO hub.audit_head VALUES (chain, 0, decode(repeat('00', 32), 'hex'), r.at) ON CONFLICT DO NOTHING;
  SELECT * INTO STRICT last FROM hub.audit_head h WHERE h.community_id = chain FOR UPDATE;
  linked := sha256(convert_to(hub.audit_text(r, last.seq + 1, last.hash), 'UTF8'));
  INSERT INTO hub.audit_chain VALUES (chain, last.seq + 1, r.id, last.hash, linked);
  UPDATE hub.audit_head h SET seq = last.seq + 1, hash = linked, at = r.at WHERE h.community_id = chain;
END $$;

-- At commit: the head is the last lock a transaction takes, so two that audit in between never wait in a circle.
CREATE FUNCTION hub.chain_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$ BEGIN PERFORM hub.link_audit(NEW); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER chained AFTER INSERT ON hub.audit DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION hub.chain_audit();

-- Row security binds the owner too; what checks and writes the chain must see every row.
CREATE POLICY owner_sees_all ON hub.audit TO CURRENT_USER USING (true) WITH CHECK (true);
DO $$ BEGIN
  PERFORM hub.guard_community('hub.audit_chain');
  PERFORM hub.guard_community('hub.audit_head');
END $$;
CREATE POLICY owner_sees_all ON hub.audit_chain TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY owner_sees_all ON hub.audit_head TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON hub.audit_chain, hub.audit_head TO hub_app, hub_ingest;
REVOKE ALL ON FUNCTION hub.link_audit(hub.audit), hub.chain_audit() FROM PUBLIC;

-- Rows that are older than the chain. The head is written once a chain: a row changed often in one transaction is slow.
DO $$
DECLARE
  chain int;
  r hub.audit;
  last hub.audit_head;
  linked bytea;
BEGIN
  FOR chain IN SELECT DISTINCT coalesce(a.community_id, 0) FROM hub.audit a LOOP
    last := (chain, 0, decode(repeat('00', 32), 'hex'), 'epoch');
    FOR r IN SELECT * FROM hub.audit a WHERE coalesce(a.community_id, 0) = chain ORDER BY a.id LOOP
      linked := sha256(convert_to(hub.audit_text(r, last.seq + 1, last.hash), 'UTF8'));
      INSERT INTO hub.audit_chain VALUES (chain, last.seq + 1, r.id, last.hash, linked);
      last := (chain, last.seq + 1, linked, r.at);
    END LOOP;
    INSERT INTO hub.audit_head SELECT last.*;
  END LOOP;
END $$;

-- The doors of the evidence pack into the time series, guarded like those of hub-0003.
CREATE FUNCTION telemetry.events_between(devices int[], since timestamptz, until timestamptz, most int)
RETURNS TABLE (id uuid, ts timestamptz, received timestamptz, device_id int, name text, data jsonb, frame_key uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT e.id, e.ts, e.received, e.device_id, e.name, e.data, e.frame_key FROM telemetry.event e
  WHERE e.device_id = ANY (devices) AND e.ts >= since AND e.ts < until AND e.community_id = ANY (hub.communities())
  ORDER BY e.ts, e.id LIMIT most
$$;

CREATE FUNCTION telemetry.frames_by_key(device int, keys uuid[], since timestamptz, until timestamptz)
RETURNS TABLE (key uuid, ts timestamptz, received timestamptz, device_id int, source text, raw bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT f.key, f.ts, f.received, f.device_id, f.source, f.raw FROM telemetry.frame f
  WHERE f.device_id = device AND f.ts >= since AND f.ts < until AND f.key = ANY (keys)
    AND f.community_id = ANY (hub.communities())
  ORDER BY f.ts, f.key
$$;

REVOKE ALL ON FUNCTION telemetry.events_between, telemetry.frames_by_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.events_between, telemetry.frames_by_key TO hub_app;
