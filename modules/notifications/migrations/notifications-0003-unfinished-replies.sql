-- What was decided and not done is looked for each second.
-- depends: notifications-0002-replies

CREATE INDEX ON notifications.reply (community_id, at) WHERE NOT done;
