-- +goose Up
-- What alerts are filtered by, out of their bodies, and an index for each. Those that begin with what a list is sorted by
-- serve any value; the others serve values that few alerts have, and don't change when an alert goes on.
ALTER TABLE alerts ADD COLUMN container_name TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN pod TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN process TEXT NOT NULL DEFAULT '';
UPDATE alerts SET
    container_name = COALESCE((SELECT json_extract(body, '$.container.name') FROM alert_bodies b WHERE b.id = alerts.id), ''),
    pod = COALESCE((SELECT json_extract(body, '$.kubernetes.podName') FROM alert_bodies b WHERE b.id = alerts.id), ''),
    process = COALESCE((SELECT json_extract(body, '$.process.name') FROM alert_bodies b WHERE b.id = alerts.id), '');
CREATE INDEX alerts_count ON alerts (count, id);
CREATE INDEX alerts_namespace ON alerts (namespace, last_seen, id);
CREATE INDEX alerts_assignee ON alerts (assignee) WHERE assignee <> '';
CREATE INDEX alerts_container ON alerts (container);
CREATE INDEX alerts_container_name ON alerts (container_name);
CREATE INDEX alerts_image ON alerts (image);
CREATE INDEX alerts_pod ON alerts (pod);
CREATE INDEX alerts_process ON alerts (process);
