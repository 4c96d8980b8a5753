-- Posts, shifts, people, rosters, hand-overs, the duty log and incidents. People are personal data: nothing of them
-- leaves this schema but through the services. Cards are kept as keyed hashes only.
-- depends: hub-0003-guarded

CREATE SCHEMA duty;

-- The limits of rosters and hand-overs of a community, and the key of its card hashes.
CREATE TABLE duty.setting (
  community_id int PRIMARY KEY,
  weekly_hours int NOT NULL DEFAULT 48 CHECK (weekly_hours BETWEEN 1 AND 84),
  rest_hours int NOT NULL DEFAULT 11 CHECK (rest_hours BETWEEN 0 AND 24),
  nights_in_a_row int NOT NULL DEFAULT 3 CHECK (nights_in_a_row BETWEEN 1 AND 14),
  days_in_a_row int NOT NULL DEFAULT 6 CHECK (days_in_a_row BETWEEN 1 AND 14),
  late_minutes int NOT NULL DEFAULT 15 CHECK (late_minutes BETWEEN 0 AND 240),
  card_key bytea NOT NULL CHECK (length(card_key) = 32)
);

CREATE TABLE duty.post (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  code text NOT NULL,
  name jsonb NOT NULL,
  place text NOT NULL DEFAULT '',
  qualifications text[] NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT true,
  UNIQUE (community_id, code),
  UNIQUE (community_id, id)
);

-- From `begins` to `ends` on the wall clock; over midnight when `ends` is not later.
CREATE TABLE duty.shift (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  code text NOT NULL,
  name jsonb NOT NULL,
  begins time NOT NULL,
  ends time NOT NULL CHECK (ends <> begins),
  active boolean NOT NULL DEFAULT true,
  UNIQUE (community_id, code),
  UNIQUE (community_id, id)
);

CREATE TABLE duty.need (
  community_id int NOT NULL,
  post_id int NOT NULL,
  shift_id int NOT NULL,
  people int NOT NULL CHECK (people BETWEEN 0 AND 20),
  weekdays int[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}',
  PRIMARY KEY (community_id, post_id, shift_id),
  FOREIGN KEY (community_id, post_id) REFERENCES duty.post (community_id, id),
  FOREIGN KEY (community_id, shift_id) REFERENCES duty.shift (community_id, id)
);

CREATE TABLE duty.person (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  account text,
  phone text NOT NULL DEFAULT '',
  card_hash bytea,
  qualifications text[] NOT NULL DEFAULT '{}',
  weekly_hours int CHECK (weekly_hours BETWEEN 1 AND 84),
  active boolean NOT NULL DEFAULT true,
  UNIQUE (community_id, code),
  UNIQUE (community_id, account),
  UNIQUE (community_id, card_hash),
  UNIQUE (community_id, id)
);

CREATE TABLE duty.equipment (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  code text NOT NULL,
  name jsonb NOT NULL,
  holder int,
  since timestamptz,
  active boolean NOT NULL DEFAULT true,
  UNIQUE (community_id, code),
  UNIQUE (community_id, id),
  FOREIGN KEY (community_id, holder) REFERENCES duty.person (community_id, id),
  CHECK ((holder IS NULL) = (since IS NULL))
);

CREATE TABLE duty.equipment_move (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  equipment_id int NOT NULL,
  at timestamptz NOT NULL,
  action text NOT NULL CHECK (action IN ('issue', 'return')),
  person_id int NOT NULL,
  actor text NOT NULL,
  note text NOT NULL DEFAULT '',
  FOREIGN KEY (community_id, equipment_id) REFERENCES duty.equipment (community_id, id),
  FOREIGN KEY (community_id, person_id) REFERENCES duty.person (community_id, id)
);
CREATE INDEX ON duty.equipment_move (community_id, equipment_id, id DESC);

CREATE TABLE duty.absence (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  person_id int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('leave', 'sick', 'training')),
  first date NOT NULL,
  last date NOT NULL CHECK (last >= first),
  since timestamptz,
  note text NOT NULL DEFAULT '',
  noted_by text NOT NULL,
  noted_at timestamptz NOT NULL,
  cancelled_by text,
  cancelled_at timestamptz,
  FOREIGN KEY (community_id, person_id) REFERENCES duty.person (community_id, id)
);
CREATE INDEX ON duty.absence (community_id, last);

CREATE TABLE duty.wish (
  community_id int NOT NULL,
  person_id int NOT NULL,
  day date NOT NULL,
  shift_id int,
  want text NOT NULL CHECK (want IN ('duty', 'free')),
  PRIMARY KEY (community_id, person_id, day),
  FOREIGN KEY (community_id, person_id) REFERENCES duty.person (community_id, id),
  FOREIGN KEY (community_id, shift_id) REFERENCES duty.shift (community_id, id)
);

-- A roster is a draft or a published version. Of each day the newest published version counts; whatever is changed
-- after publishing (a swap, a stand-in) is a further version of just the days it touches.
CREATE TABLE duty.roster (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  first date NOT NULL,
  last date NOT NULL CHECK (last >= first),
  state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'published', 'discarded')),
  version int,
  origin text NOT NULL CHECK (origin IN ('rotation', 'automatic', 'manual', 'change')),
  note text NOT NULL DEFAULT '',
  detail jsonb NOT NULL DEFAULT '{}',
  made_by text NOT NULL,
  made_at timestamptz NOT NULL,
  published_by text,
  published_at timestamptz,
  UNIQUE (community_id, version),
  UNIQUE (community_id, id),
  CHECK ((state = 'published') = (version IS NOT NULL AND published_at IS NOT NULL AND published_by IS NOT NULL))
);
CREATE INDEX ON duty.roster (community_id, last, first) WHERE state = 'published';

CREATE TABLE duty.slot (
  community_id int NOT NULL,
  roster_id int NOT NULL,
  day date NOT NULL,
  shift_id int NOT NULL,
  post_id int NOT NULL,
  person_id int NOT NULL,
  begins_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL CHECK (ends_at > begins_at),
  PRIMARY KEY (roster_id, day, shift_id, post_id, person_id),
  FOREIGN KEY (community_id, roster_id) REFERENCES duty.roster (community_id, id),
  FOREIGN KEY (community_id, shift_id) REFERENCES duty.shift (community_id, id),
  FOREIGN KEY (community_id, post_id) REFERENCES duty.post (community_id, id),
  FOREIGN KEY (community_id, person_id) REFERENCES duty.person (community_id, id)
);

CREATE FUNCTION duty.only_drafts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched int := CASE TG_OP WHEN 'DELETE' THEN OLD.roster_id ELSE NEW.roster_id END;
BEGIN
  IF (SELECT state FROM duty.roster WHERE id = touched) IS DISTINCT FROM 'draft' THEN
    RAISE EXCEPTION 'a published roster does not change' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER only_drafts BEFORE INSERT OR UPDATE OR DELETE ON duty.slot
  FOR EACH ROW EXECUTE FUNCTION duty.only_drafts();

CREATE FUNCTION duty.published_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'draft' THEN
    RAISE EXCEPTION 'a roster that is % does not change', OLD.state USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER published_stays BEFORE UPDATE ON duty.roster FOR EACH ROW EXECUTE FUNCTION duty.published_stays();

-- A hand-over is made by the outgoing side with what the desk showed then, and signed by two people. Both tables are
-- append-only and no actor or person signs twice: once both have signed, nothing of it can change.
CREATE TABLE duty.hand_over (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  change_at timestamptz NOT NULL,
  outgoing_shift int,
  incoming_shift int,
  list jsonb NOT NULL,
  note text NOT NULL DEFAULT '',
  made_at timestamptz NOT NULL,
  UNIQUE (community_id, change_at),
  UNIQUE (community_id, id)
);

CREATE TABLE duty.signature (
  community_id int NOT NULL,
  hand_over_id bigint NOT NULL,
  side text NOT NULL CHECK (side IN ('outgoing', 'incoming')),
  actor text NOT NULL,
  person_id int,
  on_roster boolean NOT NULL,
  at timestamptz NOT NULL,
  note text NOT NULL DEFAULT '',
  PRIMARY KEY (hand_over_id, side),
  UNIQUE (hand_over_id, actor),
  UNIQUE (hand_over_id, person_id),
  FOREIGN KEY (community_id, hand_over_id) REFERENCES duty.hand_over (community_id, id),
  FOREIGN KEY (community_id, person_id) REFERENCES duty.person (community_id, id)
);

-- The duty log. Nothing in it is changed: a correction is a further entry that names the one it corrects.
CREATE TABLE duty.entry (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  at timestamptz NOT NULL,
  noted_at timestamptz NOT NULL,
  kind text NOT NULL CHECK (kind IN ('routine', 'order', 'visitor', 'equipment', 'incident')),
  text text NOT NULL,
  place text NOT NULL DEFAULT '',
  actor text NOT NULL,
  corrects bigint,
  alarm_id bigint,
  UNIQUE (community_id, id),
  UNIQUE (community_id, corrects),
  FOREIGN KEY (community_id, corrects) REFERENCES duty.entry (community_id, id)
);
CREATE INDEX ON duty.entry (community_id, at DESC, id DESC);

CREATE TABLE duty.incident (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  number text NOT NULL,
  kind text NOT NULL,
  occurred_at timestamptz NOT NULL,
  place text NOT NULL,
  what text NOT NULL,
  persons text NOT NULL DEFAULT '',
  measures text NOT NULL DEFAULT '',
  police boolean NOT NULL DEFAULT false,
  police_number text NOT NULL DEFAULT '',
  alarm_id bigint,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
  noted_by text NOT NULL,
  noted_at timestamptz NOT NULL,
  closed_by text,
  closed_at timestamptz,
  conclusion text NOT NULL DEFAULT '',
  UNIQUE (community_id, number),
  UNIQUE (community_id, id),
  CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE INDEX ON duty.incident (community_id, occurred_at DESC, id DESC);

CREATE TABLE duty.incident_step (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  incident_id bigint NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL CHECK (action IN ('open', 'add', 'police', 'close')),
  text text NOT NULL DEFAULT '',
  FOREIGN KEY (community_id, incident_id) REFERENCES duty.incident (community_id, id)
);
CREATE INDEX ON duty.incident_step (community_id, incident_id, id);

CREATE TABLE duty.day_count (
  community_id int NOT NULL,
  day date NOT NULL,
  last int NOT NULL,
  PRIMARY KEY (community_id, day)
);

DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY['setting', 'post', 'shift', 'need', 'person', 'equipment', 'equipment_move', 'absence',
    'wish', 'roster', 'slot', 'hand_over', 'signature', 'entry', 'incident', 'incident_step', 'day_count'] LOOP
    PERFORM hub.guard_community(('duty.' || name)::regclass);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['equipment_move', 'hand_over', 'signature', 'entry', 'incident_step'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON duty.%I '
                   'EXECUTE FUNCTION hub.append_only()', name);
  END LOOP;
END $$;

GRANT USAGE ON SCHEMA duty TO hub_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA duty TO hub_app;
GRANT UPDATE ON duty.setting, duty.post, duty.shift, duty.need, duty.person, duty.equipment, duty.absence, duty.wish,
  duty.roster, duty.incident, duty.day_count TO hub_app;
GRANT DELETE ON duty.slot, duty.wish TO hub_app;
