-- The register of fire equipment, what people found at it, and what the hub was told of it. Records are never changed.
-- depends: hub-0003-guarded hub-0009-pictures

CREATE SCHEMA safety;

CREATE TABLE safety.equipment (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  number text NOT NULL,
  kind text NOT NULL,
  place text NOT NULL,
  spot text NOT NULL DEFAULT '',
  model text NOT NULL DEFAULT '',
  inspect text,
  made date,
  installed date,
  serviced date,
  inspected date,
  expires date,
  registered date NOT NULL,
  -- Computed from the above at every change, so that what is due is one comparison.
  inspect_due date NOT NULL,
  remind_on date NOT NULL,
  service_due date,
  life_ends date,
  fault text NOT NULL DEFAULT '',
  faulty_since timestamptz,
  last_at timestamptz,
  last_by text NOT NULL DEFAULT '',
  retired_at timestamptz,
  retired_note text NOT NULL DEFAULT '',
  UNIQUE (community_id, number),
  UNIQUE (community_id, id)
);
CREATE INDEX ON safety.equipment (community_id, inspect_due) WHERE retired_at IS NULL;

-- `origin` names what came from elsewhere (a patrol's event), so that a second telling is none; `pictures` is the
-- subject of its photographs where another module keeps them.
CREATE TABLE safety.record (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  equipment_id int NOT NULL,
  sort text NOT NULL CHECK (sort IN ('normal', 'fault', 'service')),
  at timestamptz NOT NULL,
  day date NOT NULL,
  noted_at timestamptz NOT NULL,
  actor text NOT NULL,
  text text NOT NULL DEFAULT '',
  origin text,
  pictures text NOT NULL DEFAULT '',
  UNIQUE (community_id, origin),
  FOREIGN KEY (community_id, equipment_id) REFERENCES safety.equipment (community_id, id)
);
CREATE INDEX ON safety.record (community_id, equipment_id, at DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON safety.record EXECUTE FUNCTION hub.append_only();

-- How many pieces were what, as the hub was told last.
CREATE TABLE safety.told (
  community_id int PRIMARY KEY,
  counts jsonb NOT NULL
);

DO $$ BEGIN
  PERFORM hub.guard_community('safety.equipment');
  PERFORM hub.guard_community('safety.record');
  PERFORM hub.guard_community('safety.told');
END $$;
GRANT USAGE ON SCHEMA safety TO hub_app;
GRANT SELECT, INSERT, UPDATE ON safety.equipment, safety.told TO hub_app;
GRANT SELECT, INSERT ON safety.record TO hub_app;
