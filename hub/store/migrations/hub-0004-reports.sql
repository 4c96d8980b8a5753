-- What modules and the hub itself say of devices without a wire, until the pipeline has stored it.
-- depends: hub-0003-guarded

CREATE TABLE hub.report (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL REFERENCES hub.community,
  device text NOT NULL,
  key text NOT NULL,
  at timestamptz NOT NULL,
  body jsonb NOT NULL,
  UNIQUE (community_id, device, key)
);
DO $$ BEGIN PERFORM hub.guard_community('hub.report'); END $$;
GRANT SELECT, INSERT, DELETE ON hub.report TO hub_app, hub_ingest;
