-- Tariffs and bill lines: both append-only. A wrong line is corrected by its reversal, never by a change.
-- depends: hub-0003-guarded

CREATE SCHEMA billing;

CREATE TABLE billing.tariff (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  kind text NOT NULL,
  version text NOT NULL,
  valid_from date NOT NULL,
  unit text NOT NULL,
  price numeric NOT NULL CHECK (price >= 0),
  UNIQUE (community_id, kind, version),
  UNIQUE (community_id, kind, valid_from)
);

-- Days are the community's own, the period is [period_start, period_end). Readings are kept in the line itself, so that
-- it still explains itself when the raw data has gone.
CREATE TABLE billing.bill_line (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  device_id int NOT NULL,
  point_id int NOT NULL,
  kind text NOT NULL,
  period_start date NOT NULL,
  period_end date NOT NULL,
  state text NOT NULL CHECK (state IN ('drafted', 'held')),
  reason text NOT NULL DEFAULT '',
  detail text NOT NULL DEFAULT '',
  quantity numeric CHECK (quantity >= 0),
  unit text NOT NULL,
  unit_price numeric,
  tariff_version text,
  amount_fen bigint CHECK (amount_fen >= 0),
  start_ts timestamptz,
  start_value numeric,
  end_ts timestamptz,
  end_value numeric,
  multiplier int NOT NULL,
  rollover bigint,
  rollovers int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  CHECK (period_start < period_end),
  CHECK (state = 'held' OR (quantity IS NOT NULL AND unit_price IS NOT NULL AND amount_fen IS NOT NULL
                            AND tariff_version IS NOT NULL AND start_ts IS NOT NULL AND end_ts IS NOT NULL
                            AND start_value IS NOT NULL AND end_value IS NOT NULL)),
  CHECK (state = 'drafted' OR (reason <> '' AND amount_fen IS NULL)),
  UNIQUE (community_id, device_id, period_start, period_end, kind),
  -- Whatever periods people ask for, no day of a meter is billed twice.
  EXCLUDE USING gist (int4range(device_id, device_id, '[]') WITH &&, daterange(period_start, period_end) WITH &&)
    WHERE (state = 'drafted')
);
CREATE INDEX ON billing.bill_line (community_id, id DESC);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.tariff EXECUTE FUNCTION hub.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.bill_line EXECUTE FUNCTION hub.append_only();

DO $$ BEGIN
  PERFORM hub.guard_community('billing.tariff');
  PERFORM hub.guard_community('billing.bill_line');
END $$;

GRANT USAGE ON SCHEMA billing TO hub_app;
GRANT SELECT, INSERT ON billing.tariff, billing.bill_line TO hub_app;
