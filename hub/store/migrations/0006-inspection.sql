-- When the machines of an organization were online, without a look at whatever else was changed meanwhile.

CREATE INDEX idx_audit_events_presence ON audit_events (organization_id, at) WHERE operation = 'presence';
