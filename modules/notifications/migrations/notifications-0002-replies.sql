-- What people answered by SMS or key, each once however often a gateway tells of it. No telephone number stands here.
-- depends: notifications-0001-deliveries

CREATE TABLE notifications.reply (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community_id int NOT NULL,
  target text NOT NULL,
  key text NOT NULL,                       -- the gateway's own number of it
  at timestamptz NOT NULL,
  sender bytea NOT NULL,                   -- keyed hash of the number: to count by
  said text NOT NULL,
  delivery_id bigint REFERENCES notifications.delivery ON DELETE CASCADE,  -- what it was an answer to
  result text NOT NULL CHECK (result IN
    ('acknowledged', 'already', 'over', 'which', 'wrong_code', 'expired', 'not_understood', 'unknown')),
  answer text NOT NULL DEFAULT '',
  done boolean NOT NULL DEFAULT false,     -- false: decided, and the hub died before it was carried out
  UNIQUE (community_id, target, key)
);
CREATE INDEX ON notifications.reply (community_id, target, at);
CREATE INDEX ON notifications.reply (delivery_id);
CREATE INDEX ON notifications.delivery (community_id, target, started_at);

SELECT hub.guard_community('notifications.reply'::regclass);

GRANT SELECT, INSERT, UPDATE, DELETE ON notifications.reply TO hub_app;
