-- Conditions that a restored dump writes as they were: it is no changed schema then.
DROP TRIGGER touch ON workstations;
CREATE TRIGGER touch BEFORE UPDATE OF status, name, hostname, os, arch, platform_version, registration_token, dev_server_public_url, created_at, updated_at, deleted_at ON workstations FOR EACH ROW
WHEN ((OLD.status <> NEW.status AND 'suspended' IN (OLD.status, NEW.status)) OR OLD.name IS DISTINCT FROM NEW.name OR OLD.hostname IS DISTINCT FROM NEW.hostname OR OLD.os IS DISTINCT FROM NEW.os OR OLD.arch IS DISTINCT FROM NEW.arch OR OLD.platform_version IS DISTINCT FROM NEW.platform_version OR OLD.registration_token IS DISTINCT FROM NEW.registration_token OR OLD.dev_server_public_url IS DISTINCT FROM NEW.dev_server_public_url OR OLD.created_at IS DISTINCT FROM NEW.created_at OR OLD.updated_at IS DISTINCT FROM NEW.updated_at OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
EXECUTE FUNCTION hub_touch();
DROP TRIGGER zz_audit ON workstations;
CREATE TRIGGER zz_audit AFTER UPDATE OF status, name, hostname, os, arch, platform_version, registration_token, dev_server_public_url, created_at, updated_at, deleted_at ON workstations FOR EACH ROW
WHEN ((OLD.status <> NEW.status AND 'suspended' IN (OLD.status, NEW.status)) OR OLD.name IS DISTINCT FROM NEW.name OR OLD.hostname IS DISTINCT FROM NEW.hostname OR OLD.os IS DISTINCT FROM NEW.os OR OLD.arch IS DISTINCT FROM NEW.arch OR OLD.platform_version IS DISTINCT FROM NEW.platform_version OR OLD.registration_token IS DISTINCT FROM NEW.registration_token OR OLD.dev_server_public_url IS DISTINCT FROM NEW.dev_server_public_url OR OLD.created_at IS DISTINCT FROM NEW.created_at OR OLD.updated_at IS DISTINCT FROM NEW.updated_at OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
EXECUTE FUNCTION hub_audit();
