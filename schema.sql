-- The schema of Monster Realtime: PostgreSQL 15 and newer.
--
-- Source: the Solo Unicorn v3 schema design. Its dialect is MySQL-like. This schema differs where the design has gaps or can't work:
--  * ids are VARCHAR(40) with a check on prefix and ULID: 26 characters can't hold a prefix and a ULID;
--  * ENUM columns are named enum types, one task_mode for tasks and sessions; JSON is jsonb with checks on its shape;
--  * TIMESTAMP is timestamptz(3): microseconds never compare equal to a client's milliseconds;
--  * a column with a default is NOT NULL, numbers have bounds, ports are 1-65535;
--  * foreign keys that the seed leaves out are there (default_*, last_agent_session_id is text as in the seed), and
--    composite ones keep what belongs to a project within it;
--  * counting triggers lock before they count and follow INSERT, UPDATE and DELETE; usage counts are kept per statement;
--  * an id never changes; a task moves to another project only INACTIVE, without dependencies, within its organization;
--  * dependencies can't form a cycle, a done task blocks no other task, one template and one actor of a project is its default, the last owner stays;
--  * updated_at grows with every change but those of counters and presence, which are not audited either;
--  * the person behind an invited address is confidential: linking an invitation to its user neither touches nor audits it;
--  * additions: workstations.presence_generation and presence_revision, UNIQUE registration_token (it holds a SHA-256 in hex), UNIQUE agents
--    (workstation_id, type, name), organization_memberships.invited_email, tasks.workflow_step, loops and last_error, audit_events, audit_scope, feed_queue, feed_turn, feed_refused,
--    purges, deleted_at of users, agents, projects, repositories, clones, worktrees, templates, actors and tasks (set between a deletion and the removal), serving_hub, rpc_results, hub_identity,
--    periodic_work, schema_migrations, the sequence presence_generations.

CREATE TYPE membership_role AS ENUM ('owner', 'admin', 'member');
CREATE TYPE membership_status AS ENUM ('active', 'invited', 'suspended');
CREATE TYPE workstation_status AS ENUM ('online', 'offline', 'suspended');
CREATE TYPE agent_type AS ENUM ('claude-code', 'cursor', 'opencode', 'custom');
CREATE TYPE agent_status AS ENUM ('available', 'busy', 'rate_limited', 'error', 'disabled');
CREATE TYPE project_status AS ENUM ('active', 'archived', 'suspended');
CREATE TYPE repository_status AS ENUM ('active', 'inactive', 'error');
CREATE TYPE clone_status AS ENUM ('cloning', 'ready', 'error');
CREATE TYPE worktree_status AS ENUM ('creating', 'ready', 'busy', 'error');
CREATE TYPE task_list AS ENUM ('todo', 'doing', 'review', 'done', 'loop');
CREATE TYPE task_mode AS ENUM ('clarify', 'plan', 'execute', 'review', 'iterate');
CREATE TYPE task_session_status AS ENUM ('INACTIVE', 'PUSHING', 'ACTIVE');
CREATE TYPE dependency_type AS ENUM ('blocks', 'relates_to');
CREATE TYPE dependency_status AS ENUM ('active', 'resolved');
CREATE TYPE storage_provider AS ENUM ('s3', 'local', 'cdn');
CREATE TYPE attachment_type AS ENUM ('spec', 'wireframe', 'reference', 'feedback', 'other');
CREATE TYPE session_status AS ENUM ('starting', 'active', 'completed', 'failed', 'timeout');

CREATE TABLE organizations (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^org_[0-9A-HJKMNP-TV-Z]{26}$'),
  name VARCHAR(255) NOT NULL,
  slug VARCHAR(100) NOT NULL UNIQUE,
  domain VARCHAR(255),
  monster_auth_client_id VARCHAR(100),
  default_workflow_template_id VARCHAR(40),
  auto_invite_to_projects BOOLEAN NOT NULL DEFAULT true,
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3)
);

CREATE TABLE users (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^user_[0-9A-HJKMNP-TV-Z]{26}$'),
  monster_auth_user_id VARCHAR(100) NOT NULL UNIQUE,
  email VARCHAR(255) NOT NULL,
  name VARCHAR(255),
  avatar_url TEXT,
  display_name VARCHAR(255),
  timezone VARCHAR(50) NOT NULL DEFAULT 'UTC',
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  last_active_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3)
);

CREATE TABLE organization_memberships (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^orgmem_[0-9A-HJKMNP-TV-Z]{26}$'),
  organization_id VARCHAR(40) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  user_id VARCHAR(40) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role membership_role NOT NULL DEFAULT 'member',
  status membership_status NOT NULL DEFAULT 'active',
  invited_by VARCHAR(40) REFERENCES users (id) ON DELETE SET NULL,
  invited_at TIMESTAMPTZ(3),
  joined_at TIMESTAMPTZ(3),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  invited_email VARCHAR(255),
  CONSTRAINT unique_org_user UNIQUE (organization_id, user_id)
);

CREATE TABLE workstations (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^ws_[0-9A-HJKMNP-TV-Z]{26}$'),
  organization_id VARCHAR(40) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  hostname VARCHAR(255),
  os VARCHAR(50),
  arch VARCHAR(50),
  platform_version VARCHAR(100),
  cli_version VARCHAR(20),
  registration_token VARCHAR(100) UNIQUE CHECK (registration_token ~ '^[0-9a-f]{64}$'),
  last_ip_address INET,
  last_user_agent TEXT,
  status workstation_status NOT NULL DEFAULT 'offline',
  last_seen_at TIMESTAMPTZ(3),
  last_heartbeat_at TIMESTAMPTZ(3),
  realtime_member_key JSONB CHECK (jsonb_typeof(realtime_member_key) = 'object'),
  realtime_presence_meta JSONB CHECK (jsonb_typeof(realtime_presence_meta) = 'object'),
  presence_generation BIGINT NOT NULL DEFAULT 0 CHECK (presence_generation >= 0),
  presence_revision BIGINT NOT NULL DEFAULT 0 CHECK (presence_revision >= 0),
  dev_server_enabled BOOLEAN NOT NULL DEFAULT false,
  dev_server_port INTEGER CHECK (dev_server_port BETWEEN 1 AND 65535),
  dev_server_public_url TEXT,
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3)
);

-- A generation begins each time Redis loses data. A presence is newer than another if its generation is, or, in the same generation, its
-- revision. Safe integers of JavaScript.
CREATE SEQUENCE presence_generations MAXVALUE 9007199254740991;

CREATE TABLE agents (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^agent_[0-9A-HJKMNP-TV-Z]{26}$'),
  workstation_id VARCHAR(40) NOT NULL REFERENCES workstations (id) ON DELETE CASCADE,
  type agent_type NOT NULL,
  name VARCHAR(255) NOT NULL,
  version VARCHAR(50),
  config_path TEXT,
  executable_path TEXT,
  environment_vars JSONB CHECK (jsonb_typeof(environment_vars) = 'object'),
  max_concurrency_limit INTEGER NOT NULL DEFAULT 1 CHECK (max_concurrency_limit >= 0),
  supported_languages JSONB CHECK (jsonb_typeof(supported_languages) = 'array'),
  status agent_status NOT NULL DEFAULT 'available',
  rate_limit_reset_at TIMESTAMPTZ(3),
  rate_limit_reason TEXT,
  tasks_completed INTEGER NOT NULL DEFAULT 0 CHECK (tasks_completed >= 0),
  total_execution_time INTEGER NOT NULL DEFAULT 0 CHECK (total_execution_time >= 0),
  last_task_pushed_at TIMESTAMPTZ(3),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3),
  CONSTRAINT unique_workstation_agent UNIQUE (workstation_id, type, name)
);

CREATE TABLE projects (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^proj_[0-9A-HJKMNP-TV-Z]{26}$'),
  organization_id VARCHAR(40) NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  description TEXT,
  slug VARCHAR(100),
  default_workflow_template_id VARCHAR(40),
  default_actor_id VARCHAR(40),
  memory TEXT,
  status project_status NOT NULL DEFAULT 'active',
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  archived_at TIMESTAMPTZ(3),
  deleted_at TIMESTAMPTZ(3),
  CONSTRAINT unique_org_project_slug UNIQUE (organization_id, slug)
);

CREATE TABLE project_repositories (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^repo_[0-9A-HJKMNP-TV-Z]{26}$'),
  project_id VARCHAR(40) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  github_url TEXT NOT NULL,
  github_owner VARCHAR(100),
  github_repo VARCHAR(100),
  default_branch VARCHAR(100) NOT NULL DEFAULT 'main',
  max_concurrent_tasks INTEGER NOT NULL DEFAULT 1 CHECK (max_concurrent_tasks >= 0),
  status repository_status NOT NULL DEFAULT 'active',
  last_accessed_at TIMESTAMPTZ(3),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3),
  CONSTRAINT unique_project_github_url UNIQUE (project_id, github_url),
  UNIQUE (project_id, id)
);

CREATE TABLE workstation_repositories (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^wsrepo_[0-9A-HJKMNP-TV-Z]{26}$'),
  workstation_id VARCHAR(40) NOT NULL REFERENCES workstations (id) ON DELETE CASCADE,
  project_repository_id VARCHAR(40) NOT NULL REFERENCES project_repositories (id) ON DELETE CASCADE,
  main_path TEXT NOT NULL,
  main_branch VARCHAR(100) NOT NULL DEFAULT 'main',
  clone_status clone_status NOT NULL DEFAULT 'cloning',
  clone_error TEXT,
  last_synced_at TIMESTAMPTZ(3),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3),
  CONSTRAINT unique_workstation_repo UNIQUE (workstation_id, project_repository_id)
);

CREATE TABLE git_worktrees (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^worktree_[0-9A-HJKMNP-TV-Z]{26}$'),
  workstation_repository_id VARCHAR(40) NOT NULL REFERENCES workstation_repositories (id) ON DELETE CASCADE,
  branch VARCHAR(100) NOT NULL,
  worktree_path TEXT NOT NULL,
  status worktree_status NOT NULL DEFAULT 'creating',
  error_message TEXT,
  last_used_at TIMESTAMPTZ(3),
  active_task_count INTEGER NOT NULL DEFAULT 0 CHECK (active_task_count >= 0),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3),
  CONSTRAINT unique_ws_repo_branch UNIQUE (workstation_repository_id, branch)
);

CREATE TABLE project_workstations (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^projws_[0-9A-HJKMNP-TV-Z]{26}$'),
  project_id VARCHAR(40) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  workstation_id VARCHAR(40) NOT NULL REFERENCES workstations (id) ON DELETE CASCADE,
  can_receive_tasks BOOLEAN NOT NULL DEFAULT true,
  priority INTEGER NOT NULL DEFAULT 100 CHECK (priority >= 0),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  CONSTRAINT unique_project_workstation UNIQUE (project_id, workstation_id)
);

CREATE TABLE workflow_templates (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^wftpl_[0-9A-HJKMNP-TV-Z]{26}$'),
  project_id VARCHAR(40) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  description TEXT,
  mode_sequence JSONB NOT NULL CHECK (
    jsonb_typeof(mode_sequence) = 'array'
    AND NOT jsonb_path_exists(mode_sequence, '$[*] ? (@.type() != "object")')
    AND NOT jsonb_path_exists(mode_sequence, '$[*] ? (@.mode.type() != "string" || !exists(@.mode) || !(@.mode == "clarify" || @.mode == "plan" || @.mode == "execute" || @.mode == "review" || @.mode == "iterate"))')
    AND NOT jsonb_path_exists(mode_sequence, '$[*] ? (!exists(@.requireReview) || @.requireReview.type() != "boolean")')
  ),
  is_default BOOLEAN NOT NULL DEFAULT false,
  tasks_using_count INTEGER NOT NULL DEFAULT 0 CHECK (tasks_using_count >= 0),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3),
  UNIQUE (project_id, id)
);

CREATE TABLE actors (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^actor_[0-9A-HJKMNP-TV-Z]{26}$'),
  project_id VARCHAR(40) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  name VARCHAR(255) NOT NULL,
  description TEXT,
  system_prompt TEXT,
  methodology TEXT,
  focus_areas JSONB CHECK (jsonb_typeof(focus_areas) = 'array'),
  is_default BOOLEAN NOT NULL DEFAULT false,
  tasks_assigned_count INTEGER NOT NULL DEFAULT 0 CHECK (tasks_assigned_count >= 0),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3),
  UNIQUE (project_id, id)
);

CREATE TABLE tasks (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^task_[0-9A-HJKMNP-TV-Z]{26}$'),
  project_id VARCHAR(40) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  title VARCHAR(500) NOT NULL,
  description TEXT,
  refined_title VARCHAR(500),
  refined_description TEXT,
  priority INTEGER NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
  list task_list NOT NULL DEFAULT 'todo',
  list_order DECIMAL(10, 5) NOT NULL DEFAULT 1000.00000,
  mode task_mode NOT NULL DEFAULT 'clarify',
  workflow_template_id VARCHAR(40),
  workflow_config JSONB CHECK (
    jsonb_typeof(workflow_config) = 'array'
    AND NOT jsonb_path_exists(workflow_config, '$[*] ? (@.type() != "object")')
    AND NOT jsonb_path_exists(workflow_config, '$[*] ? (@.mode.type() != "string" || !exists(@.mode) || !(@.mode == "clarify" || @.mode == "plan" || @.mode == "execute" || @.mode == "review" || @.mode == "iterate"))')
    AND NOT jsonb_path_exists(workflow_config, '$[*] ? (!exists(@.requireReview) || @.requireReview.type() != "boolean")')
  ),
  project_repository_id VARCHAR(40),
  target_branch VARCHAR(100),
  actor_id VARCHAR(40),
  ready BOOLEAN NOT NULL DEFAULT false,
  agent_session_status task_session_status NOT NULL DEFAULT 'INACTIVE',
  active_agent_id VARCHAR(40) REFERENCES agents (id) ON DELETE SET NULL,
  last_agent_session_id VARCHAR(100),
  plan_solution TEXT,
  plan_spec TEXT,
  plan_steps JSONB CHECK (jsonb_typeof(plan_steps) = 'array'),
  review_instructions TEXT,
  review_feedback TEXT,
  review_attachments JSONB CHECK (jsonb_typeof(review_attachments) = 'array'),
  dependency_count INTEGER NOT NULL DEFAULT 0 CHECK (dependency_count >= 0),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  completed_at TIMESTAMPTZ(3),
  workflow_step SMALLINT CHECK (workflow_step >= 0),
  loops BOOLEAN NOT NULL DEFAULT false,
  last_error TEXT,
  deleted_at TIMESTAMPTZ(3),
  FOREIGN KEY (project_id, workflow_template_id) REFERENCES workflow_templates (project_id, id) ON DELETE SET NULL (workflow_template_id),
  FOREIGN KEY (project_id, project_repository_id) REFERENCES project_repositories (project_id, id) ON DELETE SET NULL (project_repository_id),
  FOREIGN KEY (project_id, actor_id) REFERENCES actors (project_id, id) ON DELETE SET NULL (actor_id)
);

CREATE TABLE task_dependencies (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^taskdep_[0-9A-HJKMNP-TV-Z]{26}$'),
  task_id VARCHAR(40) NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  depends_on_task_id VARCHAR(40) NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  dependency_type dependency_type NOT NULL DEFAULT 'blocks',
  status dependency_status NOT NULL DEFAULT 'active',
  resolved_at TIMESTAMPTZ(3),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  CONSTRAINT unique_task_dependency UNIQUE (task_id, depends_on_task_id),
  CONSTRAINT no_self_dependency CHECK (task_id <> depends_on_task_id)
);

CREATE TABLE task_agents (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^taskagent_[0-9A-HJKMNP-TV-Z]{26}$'),
  task_id VARCHAR(40) NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  agent_id VARCHAR(40) NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  priority INTEGER NOT NULL DEFAULT 100 CHECK (priority >= 0),
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  CONSTRAINT unique_task_agent UNIQUE (task_id, agent_id)
);

CREATE TABLE task_attachments (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^attach_[0-9A-HJKMNP-TV-Z]{26}$'),
  task_id VARCHAR(40) NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  filename VARCHAR(500) NOT NULL,
  original_filename VARCHAR(500) NOT NULL,
  content_type VARCHAR(100),
  file_size BIGINT CHECK (file_size BETWEEN 0 AND 9007199254740991),
  storage_provider storage_provider NOT NULL DEFAULT 's3',
  storage_path TEXT NOT NULL,
  storage_url TEXT,
  attachment_type attachment_type NOT NULL DEFAULT 'other',
  description TEXT,
  uploaded_at TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);

CREATE TABLE agent_sessions (
  id VARCHAR(40) PRIMARY KEY CHECK (id ~ '^session_[0-9A-HJKMNP-TV-Z]{26}$'),
  task_id VARCHAR(40) NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  agent_id VARCHAR(40) NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  external_session_id VARCHAR(100),
  mode task_mode,
  worktree_id VARCHAR(40) REFERENCES git_worktrees (id) ON DELETE SET NULL,
  working_directory TEXT,
  status session_status NOT NULL DEFAULT 'starting',
  start_reason TEXT,
  end_reason TEXT,
  output_summary TEXT,
  files_changed JSONB CHECK (jsonb_typeof(files_changed) = 'array'),
  commits_made JSONB CHECK (jsonb_typeof(commits_made) = 'array'),
  started_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  ended_at TIMESTAMPTZ(3),
  duration_seconds INTEGER CHECK (duration_seconds >= 0),
  error_type VARCHAR(100),
  error_message TEXT,
  recovery_attempts INTEGER NOT NULL DEFAULT 0 CHECK (recovery_attempts >= 0)
);

-- Cyclic keys.
ALTER TABLE organizations ADD FOREIGN KEY (default_workflow_template_id) REFERENCES workflow_templates (id) ON DELETE SET NULL;
ALTER TABLE projects ADD FOREIGN KEY (id, default_workflow_template_id) REFERENCES workflow_templates (project_id, id) ON DELETE SET NULL (default_workflow_template_id);
ALTER TABLE projects ADD FOREIGN KEY (id, default_actor_id) REFERENCES actors (project_id, id) ON DELETE SET NULL (default_actor_id);

-- The hub's own tables.

-- The audit trail: every change with its principal, presence transitions ('presence'), renumbered tasks of a board ('reordered')
-- and changes that were published again ('republished', with the first event's id and operation in `before`).
-- Kept for as long as AUDIT_RETENTION_DAYS says.
CREATE TYPE audit_operation AS ENUM ('created', 'updated', 'deleted', 'presence', 'reordered', 'republished');
CREATE TABLE audit_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  principal TEXT NOT NULL,
  organization_id VARCHAR(40),
  project_id VARCHAR(40),
  entity TEXT NOT NULL,
  row_id VARCHAR(40) NOT NULL,
  operation audit_operation NOT NULL,
  before JSONB,
  after JSONB,
  xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
  task_id VARCHAR(40),
  workstation_id VARCHAR(40),
  user_id VARCHAR(40),
  touches_rights BOOLEAN NOT NULL DEFAULT false,
  -- Drawn for each event: a database that was restored gives numbers of events again, and clocks go back.
  nonce INTEGER NOT NULL DEFAULT floor(random() * 2147483648)::integer,
  -- Which queue publishes the event; NULL: none.
  lane SMALLINT,
  -- Size and digest of the values that are too large for `before` and `after`: hub_large.
  omitted JSONB
);
CREATE INDEX idx_audit_events_row ON audit_events (row_id, id);
CREATE INDEX idx_audit_events_organization ON audit_events (organization_id, id);
CREATE INDEX idx_audit_events_project ON audit_events (project_id, id);
CREATE INDEX idx_audit_events_at ON audit_events (at);
-- When the workstations of an organization were online: reads presence transitions alone.
CREATE INDEX idx_audit_events_presence ON audit_events (organization_id, at) WHERE operation = 'presence';
-- Nodes read changes of rights by transaction, because a late commit may have an early id.
CREATE INDEX idx_audit_events_rights ON audit_events (xid) WHERE touches_rights;
-- The events of a transaction in the order of their publication.
CREATE INDEX idx_audit_events_lane ON audit_events (xid, lane, (coalesce(organization_id, '')), id) WHERE lane IS NOT NULL;

-- What is not published yet: a row for each transaction, lane and organization, whose events with a lane follow in `audit_events`.
-- One row and not one an event: what a transaction has not committed must cost the organizations that wait beside it nothing.
-- Changes of rights and assignments are in lane 0, which is published first; a table has one lane, so that the changes of one
-- row stay in one queue. The queue of what belongs to no organization is ''.
CREATE TABLE feed_queue (
  lane SMALLINT NOT NULL CHECK (lane IN (0, 1)),
  organization_id VARCHAR(40) NOT NULL,
  xid XID8 NOT NULL,
  -- The first event of the transaction that is not published.
  next_id BIGINT NOT NULL,
  PRIMARY KEY (lane, organization_id, xid)
);
CREATE INDEX idx_feed_queue_next ON feed_queue (lane, organization_id, next_id);
-- Whether an event waits: it is not trimmed then.
CREATE INDEX idx_feed_queue_xid ON feed_queue (xid);

-- The hub that publishes, of those with one Redis. It saves work alone: two that publish at once publish the same ids.
CREATE TABLE feed_turn (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  holder TEXT NOT NULL,
  until TIMESTAMPTZ(3) NOT NULL
);

-- Changes that could not be published for a reason of their own. `feed.republish` publishes what their rows are by then.
CREATE TABLE feed_refused (
  id BIGINT PRIMARY KEY REFERENCES audit_events (id) ON DELETE CASCADE,
  organization_id VARCHAR(40),
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  refused_at TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_feed_refused_organization ON feed_refused (organization_id, id);

-- The hub that serves: an advisory lock, which ends with its session, decides; this row describes its holder. A term ends when
-- another hub begins to serve, or the same one after its session was lost. Hubs with Redis share a term.
CREATE TABLE serving_hub (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  term BIGINT NOT NULL,
  node_id TEXT NOT NULL,
  with_redis BOOLEAN NOT NULL,
  -- When a hub last took over from one that served.
  taken_over_at TIMESTAMPTZ(3),
  -- The session that waits for the holder to hand over, and its start, because process ids return.
  successor_pid INTEGER,
  successor_started TIMESTAMPTZ(3),
  -- When the holder last proved that it holds the lock; NULL: it gave the lock up.
  proven_at TIMESTAMPTZ(3)
);

-- The parents of each row: a cascade deletes parents first, so that the tenant can't be read from them any more.
CREATE TABLE audit_scope (
  entity TEXT NOT NULL,
  row_id VARCHAR(40) NOT NULL,
  organization_id VARCHAR(40),
  project_id VARCHAR(40),
  task_id VARCHAR(40),
  workstation_id VARCHAR(40),
  user_id VARCHAR(40),
  PRIMARY KEY (entity, row_id)
);

-- What is deleted and not removed yet: marked by deleted_at, which a trigger enters here, and removed by the hub in small batches.
-- Organizations and projects can be restored until their removal has started.
CREATE TABLE purges (
  entity TEXT NOT NULL,
  row_id VARCHAR(40) NOT NULL,
  organization_id VARCHAR(40),
  project_id VARCHAR(40),
  name TEXT,
  -- Who marked it.
  principal TEXT NOT NULL,
  marked_at TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  -- Columns that the mark cleared.
  former JSONB,
  -- When the removal may start; NULL: of an organization or a project, to which no hub has given a time yet.
  due_at TIMESTAMPTZ(3),
  started_at TIMESTAMPTZ(3),
  removed BIGINT NOT NULL DEFAULT 0,
  -- An estimate of the rows to remove, made at the start.
  expected BIGINT,
  -- The node that removes, and until when no other node takes over.
  node_id TEXT,
  held_until TIMESTAMPTZ(3),
  last_error TEXT,
  failed_at TIMESTAMPTZ(3),
  PRIMARY KEY (entity, row_id)
);
CREATE INDEX idx_purges_organization ON purges (organization_id);
-- Organizations in turn, of each the mark that waits longest.
CREATE INDEX idx_purges_turn ON purges (coalesce(organization_id, ''), coalesce(held_until, due_at));
CREATE INDEX idx_purges_held ON purges (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX idx_purges_due ON purges (due_at);
CREATE INDEX idx_purges_restorable ON purges (marked_at) WHERE started_at IS NULL AND entity IN ('organizations', 'projects');
CREATE INDEX idx_purges_failed ON purges (failed_at) WHERE last_error IS NOT NULL;

-- The first answer to each idempotency key.
CREATE TABLE rpc_results (
  principal TEXT NOT NULL,
  method TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  params_hash TEXT NOT NULL,
  answer JSONB,
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, method, idempotency_key)
);
CREATE INDEX idx_rpc_results_created_at ON rpc_results (created_at);

-- The applied migrations of hub/store/migrations, each with the SHA-256 of its file in hex (line endings as LF).
CREATE TABLE schema_migrations (
  name TEXT PRIMARY KEY,
  checksum TEXT NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
  applied_at TIMESTAMPTZ(3) NOT NULL DEFAULT now()
);

-- The database's identity in a Redis that several databases may share, and the place that it was drawn for.
CREATE TABLE hub_identity (
  single BOOLEAN PRIMARY KEY DEFAULT true CHECK (single),
  value TEXT NOT NULL,
  system_identifier TEXT,
  oids TEXT NOT NULL
);

-- Work that one hub at a time does every so often, such as the retention of the audit trail. `due_at`: when a hub may begin;
-- while a hub works, when its turn ends unless it goes on. `finished_at`: when a hub last came to the end of it.
CREATE TABLE periodic_work (
  name TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  due_at TIMESTAMPTZ(3) NOT NULL,
  finished_at TIMESTAMPTZ(3)
);

-- The seed's inline indexes.
CREATE INDEX idx_organizations_slug ON organizations (slug);
CREATE INDEX idx_organizations_created_at ON organizations (created_at);
CREATE INDEX idx_users_monster_auth_user_id ON users (monster_auth_user_id);
CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_last_active_at ON users (last_active_at);
CREATE INDEX idx_org_memberships_organization_id ON organization_memberships (organization_id);
CREATE INDEX idx_org_memberships_user_id ON organization_memberships (user_id);
CREATE INDEX idx_org_memberships_role ON organization_memberships (role);
CREATE INDEX idx_workstations_organization_id ON workstations (organization_id);
CREATE INDEX idx_workstations_status ON workstations (status);
CREATE INDEX idx_workstations_last_seen_at ON workstations (last_seen_at);
CREATE INDEX idx_agents_workstation_id ON agents (workstation_id);
CREATE INDEX idx_agents_type ON agents (type);
CREATE INDEX idx_agents_status ON agents (status);
CREATE INDEX idx_agents_rate_limit_reset_at ON agents (rate_limit_reset_at);
CREATE INDEX idx_projects_organization_id ON projects (organization_id);
CREATE INDEX idx_projects_status ON projects (status);
CREATE INDEX idx_repositories_project_id ON project_repositories (project_id);
CREATE INDEX idx_repositories_github_url ON project_repositories (github_url);
CREATE INDEX idx_ws_repositories_workstation_id ON workstation_repositories (workstation_id);
CREATE INDEX idx_ws_repositories_project_repo_id ON workstation_repositories (project_repository_id);
CREATE INDEX idx_worktrees_ws_repo_id ON git_worktrees (workstation_repository_id);
CREATE INDEX idx_worktrees_status ON git_worktrees (status);
CREATE INDEX idx_project_workstations_project_id ON project_workstations (project_id);
CREATE INDEX idx_project_workstations_workstation_id ON project_workstations (workstation_id);
CREATE INDEX idx_workflow_templates_project_id ON workflow_templates (project_id);
CREATE INDEX idx_workflow_templates_is_default ON workflow_templates (is_default);
CREATE INDEX idx_actors_project_id ON actors (project_id);
CREATE INDEX idx_actors_is_default ON actors (is_default);
CREATE INDEX idx_tasks_project_id ON tasks (project_id);
CREATE INDEX idx_tasks_list ON tasks (list);
CREATE INDEX idx_tasks_mode ON tasks (mode);
CREATE INDEX idx_tasks_ready ON tasks (ready);
CREATE INDEX idx_tasks_agent_session_status ON tasks (agent_session_status);
CREATE INDEX idx_tasks_priority_list_order ON tasks (priority DESC, list, list_order);
CREATE INDEX idx_tasks_created_at ON tasks (created_at);
CREATE INDEX idx_task_deps_task_id ON task_dependencies (task_id);
CREATE INDEX idx_task_deps_depends_on ON task_dependencies (depends_on_task_id);
CREATE INDEX idx_task_deps_status ON task_dependencies (status);
CREATE INDEX idx_task_agents_task_id ON task_agents (task_id);
CREATE INDEX idx_task_agents_agent_id ON task_agents (agent_id);
CREATE INDEX idx_attachments_task_id ON task_attachments (task_id);
CREATE INDEX idx_attachments_type ON task_attachments (attachment_type);
CREATE INDEX idx_sessions_task_id ON agent_sessions (task_id);
CREATE INDEX idx_sessions_agent_id ON agent_sessions (agent_id);
CREATE INDEX idx_sessions_status ON agent_sessions (status);
CREATE INDEX idx_sessions_started_at ON agent_sessions (started_at);

-- The seed's primary query patterns.
CREATE INDEX idx_task_assignment ON tasks (ready, agent_session_status, list, priority DESC, list_order, created_at) WHERE list <> 'done';
CREATE INDEX idx_project_tasks_active ON tasks (project_id, list, priority DESC, list_order) WHERE list IN ('todo', 'doing', 'review');
CREATE INDEX idx_agent_availability ON agents (workstation_id, status, max_concurrency_limit) WHERE status IN ('available', 'busy');
CREATE INDEX idx_workstation_monitoring ON workstations (organization_id, status, last_seen_at DESC);
CREATE INDEX idx_dependency_resolution ON task_dependencies (depends_on_task_id, status) WHERE status = 'active';

-- Further indexes for lists, keys and rights.
CREATE UNIQUE INDEX one_default_template ON workflow_templates (project_id) WHERE is_default;
CREATE UNIQUE INDEX one_default_actor ON actors (project_id) WHERE is_default;
CREATE UNIQUE INDEX one_invitation ON organization_memberships (organization_id, invited_email) WHERE status = 'invited';
CREATE INDEX idx_org_memberships_invited ON organization_memberships (user_id, id) WHERE status = 'invited';
CREATE INDEX idx_tasks_board ON tasks (project_id, list, priority DESC, list_order, created_at, id);
CREATE INDEX idx_tasks_project_order ON tasks (project_id, priority DESC, list_order, created_at, id);
CREATE INDEX idx_tasks_active_agent ON tasks (active_agent_id) WHERE active_agent_id IS NOT NULL;
CREATE INDEX idx_tasks_template ON tasks (workflow_template_id) WHERE workflow_template_id IS NOT NULL;
CREATE INDEX idx_tasks_actor ON tasks (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX idx_tasks_repository ON tasks (project_repository_id) WHERE project_repository_id IS NOT NULL;
CREATE INDEX idx_sessions_worktree ON agent_sessions (worktree_id) WHERE worktree_id IS NOT NULL;
CREATE INDEX idx_tasks_waiting ON tasks (project_id, list, priority DESC, list_order, created_at, id) WHERE ready AND agent_session_status = 'INACTIVE';
CREATE INDEX idx_tasks_running ON tasks (project_id, project_repository_id) WHERE agent_session_status <> 'INACTIVE';
CREATE INDEX idx_sessions_open ON agent_sessions (started_at) WHERE status IN ('starting', 'active');
CREATE INDEX idx_workstations_online ON workstations (id) WHERE status = 'online';
CREATE INDEX idx_org_memberships_invited_by ON organization_memberships (invited_by) WHERE invited_by IS NOT NULL;
CREATE INDEX idx_organizations_default_template ON organizations (default_workflow_template_id) WHERE default_workflow_template_id IS NOT NULL;

-- Refusals of triggers are integrity violations (23000) that carry a constraint's name, like Postgres' own.
CREATE FUNCTION hub_refuse(rule TEXT, explanation TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '23000', CONSTRAINT = rule, MESSAGE = explanation;
END $$;

-- Columns whose changes are neither news nor a new version of the row: what the hub counts by itself, and presence. No RPC method
-- changes these alone: each method that changes a row leaves an audit event.
CREATE FUNCTION hub_uncounted(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE entity
    WHEN 'users' THEN ARRAY['updated_at', 'last_active_at']
    WHEN 'workstations' THEN ARRAY['updated_at', 'cli_version', 'last_ip_address', 'last_user_agent', 'last_seen_at',
      'last_heartbeat_at', 'realtime_member_key', 'realtime_presence_meta', 'presence_generation', 'presence_revision', 'dev_server_enabled', 'dev_server_port']
    WHEN 'agents' THEN ARRAY['updated_at', 'tasks_completed', 'total_execution_time', 'last_task_pushed_at']
    WHEN 'workflow_templates' THEN ARRAY['updated_at', 'tasks_using_count']
    WHEN 'actors' THEN ARRAY['updated_at', 'tasks_assigned_count']
    WHEN 'tasks' THEN ARRAY['updated_at', 'dependency_count']
    ELSE ARRAY['updated_at']
  END
$$;

-- A workstation's status is presence, unless it is suspended or restored. The person behind an invited address is
-- confidential, so an invitation does not change visibly when its user first signs in.
CREATE FUNCTION hub_news(entity TEXT, entry JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN entity = 'workstations'
      THEN (entry - hub_uncounted(entity)) || jsonb_build_object('status', CASE entry ->> 'status' WHEN 'suspended' THEN 'suspended' ELSE 'active' END)
    WHEN entity = 'organization_memberships' AND entry ->> 'status' = 'invited'
      THEN entry - hub_uncounted(entity) - ARRAY['user_id', 'invited_email']
    ELSE entry - hub_uncounted(entity)
  END
$$;

CREATE FUNCTION hub_touch() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  has_uncounted BOOLEAN;
BEGIN
  NEW.updated_at := OLD.updated_at;
  -- Rows are compared as rows, which costs a tenth of their comparison as JSON.
  IF NEW IS NOT DISTINCT FROM OLD THEN
    RETURN NEW;
  END IF;
  IF TG_TABLE_NAME = 'tasks' THEN
    has_uncounted := NEW.dependency_count <> OLD.dependency_count;
  ELSE
    has_uncounted := TG_TABLE_NAME IN ('users', 'workstations', 'organization_memberships', 'agents', 'workflow_templates', 'actors');
  END IF;
  IF NOT has_uncounted OR hub_news(TG_TABLE_NAME, to_jsonb(NEW)) IS DISTINCT FROM hub_news(TG_TABLE_NAME, to_jsonb(OLD)) THEN
    NEW.updated_at := greatest(OLD.updated_at + interval '1 millisecond', clock_timestamp());
  END IF;
  RETURN NEW;
END $$;

-- The parents of a row, which decide who receives its changes.
CREATE FUNCTION hub_scope(entity TEXT, entry JSONB, OUT organization VARCHAR, OUT project VARCHAR, OUT task VARCHAR, OUT workstation VARCHAR, OUT person VARCHAR)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  task := CASE entity WHEN 'tasks' THEN entry ->> 'id' ELSE entry ->> 'task_id' END;
  workstation := CASE entity WHEN 'workstations' THEN entry ->> 'id' ELSE entry ->> 'workstation_id' END;
  person := CASE entity WHEN 'users' THEN entry ->> 'id' ELSE entry ->> 'user_id' END;
  CASE
    WHEN entity = 'organizations' THEN organization := entry ->> 'id';
    WHEN entity = 'users' THEN organization := NULL;
    WHEN entity = 'projects' THEN
      organization := entry ->> 'organization_id';
      project := entry ->> 'id';
    WHEN entry ? 'organization_id' THEN organization := entry ->> 'organization_id';
    WHEN entity = 'workstation_repositories' THEN
      SELECT p.organization_id, p.id INTO organization, project
      FROM project_repositories r JOIN projects p ON p.id = r.project_id WHERE r.id = entry ->> 'project_repository_id';
    WHEN entity = 'git_worktrees' THEN
      SELECT p.organization_id, p.id, w.workstation_id INTO organization, project, workstation
      FROM workstation_repositories w JOIN project_repositories r ON r.id = w.project_repository_id
      JOIN projects p ON p.id = r.project_id WHERE w.id = entry ->> 'workstation_repository_id';
    WHEN entry ? 'project_id' THEN
      SELECT p.organization_id, p.id INTO organization, project FROM projects p WHERE p.id = entry ->> 'project_id';
    WHEN entry ? 'task_id' THEN
      SELECT p.organization_id, p.id INTO organization, project
      FROM tasks t JOIN projects p ON p.id = t.project_id WHERE t.id = entry ->> 'task_id';
    WHEN entry ? 'workstation_id' THEN
      SELECT w.organization_id INTO organization FROM workstations w WHERE w.id = entry ->> 'workstation_id';
  END CASE;
END $$;

-- The columns of a row that rights depend on.
CREATE FUNCTION hub_rights(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE entity
    WHEN 'organizations' THEN ARRAY['deleted_at', 'monster_auth_client_id']
    WHEN 'users' THEN ARRAY['deleted_at']
    WHEN 'organization_memberships' THEN ARRAY['user_id', 'role', 'status']
    WHEN 'workstations' THEN ARRAY['status', 'deleted_at']
    WHEN 'projects' THEN ARRAY['status', 'deleted_at']
    WHEN 'project_workstations' THEN ARRAY['project_id', 'workstation_id']
    WHEN 'tasks' THEN ARRAY['project_id', 'deleted_at']
    ELSE ARRAY[]::TEXT[]
  END
$$;

-- Rows below a task move to another project with it.
CREATE FUNCTION hub_move_scope(task VARCHAR, project VARCHAR) RETURNS VOID LANGUAGE sql AS $$
  UPDATE audit_scope SET project_id = project WHERE (entity, row_id) IN (
    SELECT 'task_agents', id FROM task_agents WHERE task_id = task
    UNION ALL SELECT 'task_attachments', id FROM task_attachments WHERE task_id = task
    UNION ALL SELECT 'agent_sessions', id FROM agent_sessions WHERE task_id = task
  )
$$;

-- Whether a row, or what it belongs to, is deleted and not removed yet. This decides whether a removal is an event. A
-- setting of the session does not: any program could use it to evade the trail.
CREATE FUNCTION hub_is_marked(table_name TEXT, id VARCHAR, organization VARCHAR, project VARCHAR, task VARCHAR) RETURNS BOOLEAN LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
  RETURN EXISTS (SELECT FROM purges p WHERE (p.entity, p.row_id) IN (
    (table_name, id), ('organizations', organization), ('projects', project), ('tasks', task)));
END $$;

-- The lane of a table's changes in the feed.
CREATE FUNCTION hub_lane(entity TEXT) RETURNS SMALLINT LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN entity IN ('organizations', 'users', 'organization_memberships', 'projects', 'workstations', 'project_workstations',
    'agent_sessions') THEN 0 ELSE 1 END::smallint
$$;

-- Columns that leave the database in no event.
CREATE FUNCTION hub_secrets(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN entity IN ('workstations', 'agents') THEN ARRAY['registration_token', 'environment_vars'] ELSE ARRAY[]::TEXT[] END
$$;

-- The audit event of a row that was inserted (`old_row` is null), updated, or deleted (`new_row` is null). None, if nothing changed
-- that counts, or if the row belongs to something marked, with which it was deleted. Planned as a part of the statements that
-- call it: it is executed for every row that changes.
CREATE FUNCTION hub_event(table_name TEXT, id VARCHAR, old_row JSONB, new_row JSONB)
RETURNS TABLE (principal TEXT, organization_id VARCHAR, project_id VARCHAR, task_id VARCHAR, workstation_id VARCHAR, user_id VARCHAR,
  entity TEXT, row_id VARCHAR, operation audit_operation, before JSONB, after JSONB, touches_rights BOOLEAN, lane SMALLINT)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user),
    scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, table_name, id, kind.operation,
    CASE kind.operation WHEN 'updated' THEN change.before ELSE version.old_row - kind.mark END - hub_secrets(table_name),
    CASE kind.operation WHEN 'updated' THEN change.after WHEN 'created' THEN version.new_row - kind.mark END - hub_secrets(table_name),
    CASE WHEN version.old_row IS NULL THEN table_name IN ('organization_memberships', 'project_workstations')
      WHEN version.new_row IS NULL THEN table_name = 'users' OR hub_rights(table_name) <> '{}'
      ELSE change.after ?| (hub_rights(table_name) || hub_secrets(table_name)) END,
    CASE WHEN coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN hub_lane(table_name) END
  FROM (SELECT old_row, new_row OFFSET 0) AS version
  -- The columns of an update that changed.
  CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(key, version.old_row -> key) AS before, jsonb_object_agg(key, value) AS after
    FROM jsonb_each(version.new_row) WHERE version.old_row IS NOT NULL AND version.old_row -> key IS DISTINCT FROM value
  ) AS change
  -- A whole row does not have the mark, which says nothing of it: a deletion of these tables is an event by itself.
  CROSS JOIN LATERAL (
    SELECT CASE WHEN version.old_row IS NULL THEN 'created'
        WHEN version.new_row IS NULL OR (change.before -> 'deleted_at') = 'null' AND table_name NOT IN ('organizations', 'workstations') THEN 'deleted'
        ELSE 'updated' END::audit_operation AS operation,
      CASE WHEN table_name NOT IN ('organizations', 'workstations') THEN 'deleted_at' ELSE '' END AS mark
  ) AS kind
  LEFT JOIN LATERAL (SELECT * FROM audit_scope s WHERE s.entity = table_name AND s.row_id = id OFFSET 0) AS scope ON true
  WHERE CASE WHEN version.old_row IS NULL THEN true
    WHEN version.new_row IS NULL THEN NOT hub_is_marked(table_name, id, scope.organization_id, scope.project_id, scope.task_id)
    ELSE change.after ?| hub_secrets(table_name) OR change.after - hub_uncounted(table_name) <> '{}'
      AND (table_name NOT IN ('workstations', 'organization_memberships')
        OR hub_news(table_name, version.old_row) <> hub_news(table_name, version.new_row)) END
$$;

-- The audit trail is written in the transaction of each change. Other writers of the database need no grants for it. One
-- statement for all rows costs two thirds of one a row. The type of TG_TABLE_NAME has a collation with which no index can be used:
-- each function copies it into a text.
CREATE FUNCTION hub_audit_insert() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
  SELECT table_name, n.id, s.organization, s.project, s.task, s.workstation, s.person
  FROM new_rows n CROSS JOIN LATERAL hub_scope(table_name, to_jsonb(n)) s
  ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
    = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.* FROM new_rows n CROSS JOIN LATERAL hub_event(table_name, n.id, NULL, to_jsonb(n)) AS event;
  RETURN NULL;
END $$;

-- Cascades change a row twice in one statement, so that its versions belong together by their places, and events are written
-- in this order. A full join never becomes a nested loop, which a plan made for one row would be for 100,000.
CREATE FUNCTION hub_audit_update() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.*
  FROM (SELECT row_number() OVER () AS place, to_jsonb(o) AS json FROM old_rows o) AS former
  FULL JOIN (SELECT row_number() OVER () AS place, n.id, to_jsonb(n) AS json FROM new_rows n) AS latter USING (place)
  CROSS JOIN LATERAL hub_event(table_name, latter.id, former.json, latter.json) AS event ORDER BY place;
  RETURN NULL;
END $$;

-- Row by row: for workstations, because write-back changes the presence columns of thousands of them, which are no events; for
-- templates and actors, whose triggers change other rows of their table before the statement ends.
CREATE FUNCTION hub_audit_row() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.* FROM hub_event(table_name, NEW.id, to_jsonb(OLD), to_jsonb(NEW)) AS event;
  RETURN NULL;
END $$;

-- Arrays, so that no plan reads a whole table.
CREATE FUNCTION hub_audit_delete() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.* FROM old_rows o CROSS JOIN LATERAL hub_event(table_name, o.id, to_jsonb(o), NULL) AS event;
  DELETE FROM purges p WHERE p.entity = table_name AND p.row_id = ANY (ARRAY(SELECT id FROM old_rows));
  DELETE FROM audit_scope s WHERE s.entity = table_name AND s.row_id = ANY (ARRAY(SELECT id FROM old_rows));
  RETURN NULL;
END $$;

-- A row has parents, or other ones. A cascade deletes parents first: the changes of one row stay in the queue of one organization.
CREATE FUNCTION hub_move_row() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
  former VARCHAR := (SELECT s.organization_id FROM audit_scope s WHERE s.entity = table_name AND s.row_id = NEW.id);
  scope RECORD;
BEGIN
  SELECT * INTO scope FROM hub_scope(table_name, to_jsonb(NEW));
  IF former <> scope.organization THEN
    PERFORM hub_refuse('tenant_is_fixed', format('A row of %s never changes its organization.', table_name));
  END IF;
  INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
  VALUES (table_name, NEW.id, coalesce(scope.organization, former), scope.project, scope.task, scope.workstation, scope.person)
  ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
    = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
  IF table_name = 'tasks' THEN
    PERFORM hub_move_scope(NEW.id, scope.project);
  END IF;
  RETURN NULL;
END $$;

-- Queues what the feed publishes, and wakes it. Events that a dump brings back are of no transaction here.
CREATE FUNCTION hub_queue_events() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO feed_queue (lane, organization_id, xid, next_id)
  SELECT lane, coalesce(organization_id, ''), xid, min(id) FROM new_events
  WHERE lane IS NOT NULL AND xid = pg_current_xact_id() GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING;
  -- Also when nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '') FROM new_events WHERE lane IS NOT NULL OR touches_rights LIMIT 1;
  RETURN NULL;
END $$;

CREATE TRIGGER queue AFTER INSERT ON audit_events REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION hub_queue_events();

-- The values of a row that are too large, by column: bytes and SHA-256 of a text as it is, of JSON as Postgres writes it.
CREATE FUNCTION hub_large(entry JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(key, jsonb_build_object(
    'bytes', octet_length(convert_to(entry ->> key, 'UTF8')), 'sha256', encode(sha256(convert_to(entry ->> key, 'UTF8')), 'hex'))), '{}')
  FROM jsonb_each(entry) WHERE octet_length(value::text) > 8192
$$;

CREATE FUNCTION hub_omit_large() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.omitted := nullif(jsonb_build_object('before', hub_large(NEW.before), 'after', hub_large(NEW.after)), '{"before": {}, "after": {}}');
  NEW.before := NEW.before - ARRAY(SELECT jsonb_object_keys(NEW.omitted -> 'before'));
  NEW.after := NEW.after - ARRAY(SELECT jsonb_object_keys(NEW.omitted -> 'after'));
  RETURN NEW;
END $$;

CREATE TRIGGER omit_large BEFORE INSERT ON audit_events FOR EACH ROW
  WHEN (octet_length(NEW.before::text) > 8192 OR octet_length(NEW.after::text) > 8192) EXECUTE FUNCTION hub_omit_large();

-- Rows stay in their organization, agents on their workstation.
CREATE FUNCTION hub_keep_tenant() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM hub_refuse('tenant_is_fixed', format('A row of %s never changes its %s.', TG_TABLE_NAME, TG_ARGV[0]));
  RETURN NEW;
END $$;

CREATE FUNCTION hub_check_project_workstation() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT organization_id FROM projects WHERE id = NEW.project_id) IS DISTINCT FROM (SELECT organization_id FROM workstations WHERE id = NEW.workstation_id) THEN
    PERFORM hub_refuse('same_organization', 'The project and the workstation belong to different organizations.');
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION hub_check_organization_default() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.default_workflow_template_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM workflow_templates w JOIN projects p ON p.id = w.project_id
    WHERE w.id = NEW.default_workflow_template_id AND p.organization_id = NEW.id
  ) THEN
    PERFORM hub_refuse('same_organization', 'The default workflow template belongs to another organization.');
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION hub_check_workstation_repository() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT organization_id FROM workstations WHERE id = NEW.workstation_id) IS DISTINCT FROM (
    SELECT p.organization_id FROM project_repositories r JOIN projects p ON p.id = r.project_id WHERE r.id = NEW.project_repository_id
  ) THEN
    PERFORM hub_refuse('same_organization', 'The workstation and the repository belong to different organizations.');
  END IF;
  RETURN NEW;
END $$;

-- A task and the agent it names (task_agents, agent_sessions, tasks.active_agent_id) belong to one organization.
CREATE FUNCTION hub_check_task_agent() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  entry JSONB := to_jsonb(NEW);
  task VARCHAR := coalesce(entry ->> 'task_id', entry ->> 'id');
  agent VARCHAR := CASE TG_TABLE_NAME WHEN 'tasks' THEN entry ->> 'active_agent_id' ELSE entry ->> 'agent_id' END;
  of_task VARCHAR := CASE TG_TABLE_NAME WHEN 'tasks' THEN (SELECT organization_id FROM projects WHERE id = entry ->> 'project_id')
    ELSE (SELECT p.organization_id FROM tasks t JOIN projects p ON p.id = t.project_id WHERE t.id = task) END;
BEGIN
  IF agent IS NOT NULL AND of_task IS DISTINCT FROM (
    SELECT w.organization_id FROM agents a JOIN workstations w ON w.id = a.workstation_id WHERE a.id = agent
  ) THEN
    PERFORM hub_refuse('same_organization', 'The task and the agent belong to different organizations.');
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION hub_check_session_worktree() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.worktree_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM git_worktrees g JOIN workstation_repositories w ON w.id = g.workstation_repository_id
    JOIN agents a ON a.id = NEW.agent_id AND a.workstation_id = w.workstation_id
    JOIN tasks t ON t.id = NEW.task_id AND t.project_repository_id = w.project_repository_id
    WHERE g.id = NEW.worktree_id
  ) THEN
    PERFORM hub_refuse('worktree_fits_session', 'The worktree lies on another workstation than the agent, or belongs to another repository than the task.');
  END IF;
  RETURN NEW;
END $$;

-- Dependencies stay in one project, and active blocks form no cycle. The lock makes crossing inserts wait for each other.
-- A done task blocks no other task. It is locked, so that a concurrent change to done is waited for.
CREATE FUNCTION hub_check_dependency() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  project VARCHAR;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.status = 'resolved' AND (NEW.task_id, NEW.depends_on_task_id) = (OLD.task_id, OLD.depends_on_task_id) THEN
    RETURN NEW;
  END IF;
  project := hub_lock_dependencies(NEW.task_id);
  IF project IS DISTINCT FROM (SELECT project_id FROM tasks WHERE id = NEW.depends_on_task_id FOR SHARE) THEN
    PERFORM hub_refuse('same_project', 'Both tasks of a dependency belong to one project.');
  END IF;
  IF NEW.dependency_type = 'blocks' AND EXISTS (SELECT FROM tasks WHERE id = NEW.depends_on_task_id AND list = 'done') THEN
    NEW.status := 'resolved';
  END IF;
  IF NEW.dependency_type = 'blocks' AND NEW.status = 'active' AND NEW.task_id <> NEW.depends_on_task_id THEN
    PERFORM hub_refuse_cycle(NEW.id, NEW.task_id, NEW.depends_on_task_id);
  END IF;
  RETURN NEW;
END $$;

-- Until the transaction ends, no other transaction changes the dependencies of the task's project or moves a task out of it.
CREATE FUNCTION hub_lock_dependencies(task VARCHAR) RETURNS VARCHAR LANGUAGE plpgsql AS $$
DECLARE
  project VARCHAR;
BEGIN
  LOOP
    project := (SELECT project_id FROM tasks WHERE id = task);
    PERFORM pg_advisory_xact_lock(hashtextextended('dependencies:' || project, 0));
    EXIT WHEN project IS NOT DISTINCT FROM (SELECT project_id FROM tasks WHERE id = task);
  END LOOP;
  RETURN project;
END $$;

CREATE FUNCTION hub_refuse_cycle(dependency VARCHAR, task VARCHAR, blocker VARCHAR) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  IF task IN (
    -- UNION keeps each task once: the number of paths through a ladder of dependencies is exponential.
    WITH RECURSIVE reached (id) AS (
      SELECT blocker
      UNION
      SELECT d.depends_on_task_id FROM task_dependencies d JOIN reached r ON d.task_id = r.id
      WHERE d.dependency_type = 'blocks' AND d.status = 'active' AND d.id <> dependency
    )
    SELECT id FROM reached
  ) THEN
    PERFORM hub_refuse('no_dependency_cycle', format('%s waits for %s already: the dependency would close a cycle.', blocker, task));
  END IF;
END $$;

-- A task moves within its organization, while it has no session and no dependencies. References to the old project are cleared.
CREATE FUNCTION hub_move_task() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('dependencies:' || OLD.project_id, 0));
  IF (SELECT organization_id FROM projects WHERE id = OLD.project_id) IS DISTINCT FROM (SELECT organization_id FROM projects WHERE id = NEW.project_id) THEN
    PERFORM hub_refuse('same_organization', 'A task moves to another project of its organization only.');
  ELSIF OLD.agent_session_status <> 'INACTIVE' OR NEW.agent_session_status <> 'INACTIVE' THEN
    PERFORM hub_refuse('inactive_task_moves', 'An agent works on this task. Move it to another project when it is INACTIVE.');
  ELSIF EXISTS (SELECT FROM task_dependencies WHERE OLD.id IN (task_id, depends_on_task_id)) THEN
    PERFORM hub_refuse('independent_task_moves', 'This task has dependencies. Delete them before it moves to another project.');
  END IF;
  NEW.workflow_template_id := nullif(NEW.workflow_template_id, OLD.workflow_template_id);
  NEW.project_repository_id := nullif(NEW.project_repository_id, OLD.project_repository_id);
  NEW.actor_id := nullif(NEW.actor_id, OLD.actor_id);
  RETURN NEW;
END $$;

CREATE FUNCTION hub_stamp_dependency() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.resolved_at := CASE WHEN NEW.status = 'resolved' THEN coalesce(NEW.resolved_at, clock_timestamp()) END;
  RETURN NEW;
END $$;

-- Lock, then count: of two concurrent transactions each would count without the other's row.
CREATE FUNCTION hub_count_dependencies() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  task VARCHAR;
BEGIN
  FOR task IN
    SELECT DISTINCT id FROM unnest(ARRAY[
      CASE WHEN TG_OP <> 'INSERT' THEN OLD.task_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.task_id END
    ]) AS id WHERE id IS NOT NULL ORDER BY id
  LOOP
    -- Nobody counts for a task that is to be removed.
    CONTINUE WHEN EXISTS (
      SELECT FROM tasks t JOIN projects p ON p.id = t.project_id WHERE t.id = task AND hub_is_marked('tasks', t.id, p.organization_id, p.id, NULL)
    );
    PERFORM FROM tasks WHERE id = task FOR NO KEY UPDATE;
    UPDATE tasks SET dependency_count = (SELECT count(*) FROM task_dependencies WHERE task_id = task AND status = 'active')
    WHERE id = task;
  END LOOP;
  RETURN NULL;
END $$;

-- The number of tasks of each template and actor: per statement, rows locked in order, and only changed rows. Otherwise
-- every edit of a task would wait for its template. Gains and losses of a statement are summed up, without a join: cascades
-- change a task twice in one.
CREATE FUNCTION hub_count_usage() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  templates JSONB;
  of_actors JSONB;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT jsonb_object_agg(template, step) FILTER (WHERE template IS NOT NULL), jsonb_object_agg(actor, step) FILTER (WHERE actor IS NOT NULL)
    INTO templates, of_actors FROM (
      SELECT workflow_template_id AS template, actor_id AS actor, sum(step) AS step FROM (
        SELECT workflow_template_id, actor_id, 1 AS step FROM new_tasks UNION ALL SELECT workflow_template_id, actor_id, -1 FROM old_tasks) AS used
      GROUP BY GROUPING SETS ((workflow_template_id), (actor_id)) HAVING sum(step) <> 0) AS changed;
  ELSE
    SELECT jsonb_object_agg(template, step) FILTER (WHERE template IS NOT NULL), jsonb_object_agg(actor, step) FILTER (WHERE actor IS NOT NULL)
    INTO templates, of_actors FROM (
      SELECT workflow_template_id AS template, actor_id AS actor, count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END AS step FROM changed_tasks
      GROUP BY GROUPING SETS ((workflow_template_id), (actor_id))) AS changed;
  END IF;
  IF templates IS NOT NULL OR of_actors IS NOT NULL THEN
    PERFORM hub_add_usage(templates, of_actors);
  END IF;
  RETURN NULL;
END $$;

-- Adds to the numbers, each by id.
CREATE FUNCTION hub_add_usage(templates JSONB, of_actors JSONB) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM workflow_templates WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(templates))) ORDER BY id FOR NO KEY UPDATE;
  UPDATE workflow_templates SET tasks_using_count = greatest(0, tasks_using_count + (templates ->> id)::INTEGER)
  WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(templates)));
  PERFORM FROM actors WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(of_actors))) ORDER BY id FOR NO KEY UPDATE;
  UPDATE actors SET tasks_assigned_count = greatest(0, tasks_assigned_count + (of_actors ->> id)::INTEGER)
  WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(of_actors)));
END $$;

-- completed_at follows done; a task without an agent is inactive.
CREATE FUNCTION hub_settle_task() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.completed_at := CASE WHEN NEW.list = 'done' THEN coalesce(NEW.completed_at, clock_timestamp()) END;
  -- A task of the list of loops returns to it, until it is moved to the list of todos.
  NEW.loops := CASE NEW.list WHEN 'loop' THEN true WHEN 'todo' THEN false ELSE NEW.loops END;
  IF TG_OP = 'UPDATE' AND NEW.active_agent_id IS NULL AND OLD.active_agent_id IS NOT NULL THEN
    NEW.agent_session_status := 'INACTIVE';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION hub_unblock_dependents() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE task_dependencies SET status = 'resolved'
  WHERE depends_on_task_id = NEW.id AND dependency_type = 'blocks' AND status = 'active';
  RETURN NULL;
END $$;

CREATE FUNCTION hub_settle_project() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.archived_at := CASE WHEN NEW.status = 'archived' THEN coalesce(NEW.archived_at, clock_timestamp()) END;
  RETURN NEW;
END $$;

-- Once a minute at most: otherwise each action of a user would write this row too.
CREATE FUNCTION hub_coalesce_activity() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.last_active_at > OLD.last_active_at AND NEW.last_active_at < OLD.last_active_at + interval '1 minute' THEN
    NEW.last_active_at := OLD.last_active_at;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION hub_time_session() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status IN ('completed', 'failed', 'timeout') THEN
    NEW.ended_at := coalesce(NEW.ended_at, greatest(NEW.started_at, clock_timestamp()));
  END IF;
  NEW.duration_seconds := CASE WHEN NEW.ended_at IS NOT NULL THEN greatest(0, floor(extract(epoch FROM NEW.ended_at - NEW.started_at))::INTEGER) END;
  RETURN NEW;
END $$;

-- A session that is deleted with its task releases its worktree.
CREATE FUNCTION hub_release_worktree() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE git_worktrees SET active_task_count = greatest(0, active_task_count - 1), last_used_at = clock_timestamp() WHERE id = OLD.worktree_id;
  RETURN NULL;
END $$;

-- One default each: the partial unique indexes keep it one, these keep it equal to the project's column.
CREATE FUNCTION hub_default_from_flag() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  of_project CONSTANT TEXT := CASE TG_TABLE_NAME WHEN 'actors' THEN 'default_actor_id' ELSE 'default_workflow_template_id' END;
BEGIN
  IF NEW.is_default THEN
    EXECUTE format('UPDATE projects SET %I = $1 WHERE id = $2 AND %I IS DISTINCT FROM $1', of_project, of_project) USING NEW.id, NEW.project_id;
  ELSIF pg_trigger_depth() = 1 THEN
    -- Deeper, another one takes its place and the project follows that one.
    EXECUTE format('UPDATE projects SET %I = NULL WHERE id = $2 AND %I = $1', of_project, of_project) USING NEW.id, NEW.project_id;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION hub_clear_other_default() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM projects WHERE id = NEW.project_id FOR NO KEY UPDATE;
  EXECUTE format('UPDATE %I SET is_default = false WHERE project_id = $1 AND id <> $2 AND is_default', TG_TABLE_NAME) USING NEW.project_id, NEW.id;
  RETURN NEW;
END $$;

CREATE FUNCTION hub_default_from_project() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE workflow_templates SET is_default = false WHERE project_id = NEW.id AND is_default AND id IS DISTINCT FROM NEW.default_workflow_template_id;
  UPDATE workflow_templates SET is_default = true WHERE id = NEW.default_workflow_template_id AND NOT is_default;
  UPDATE actors SET is_default = false WHERE project_id = NEW.id AND is_default AND id IS DISTINCT FROM NEW.default_actor_id;
  UPDATE actors SET is_default = true WHERE id = NEW.default_actor_id AND NOT is_default;
  RETURN NULL;
END $$;

-- An organization that is not deleted keeps at least one active owner.
CREATE FUNCTION hub_keep_owner() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.role <> 'owner' OR OLD.status <> 'active' OR (TG_OP = 'UPDATE' AND NEW.role = 'owner' AND NEW.status = 'active') THEN
    RETURN NULL;
  END IF;
  PERFORM FROM organizations WHERE id = OLD.organization_id AND deleted_at IS NULL FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM organization_memberships WHERE organization_id = OLD.organization_id AND role = 'owner' AND status = 'active'
  ) THEN
    PERFORM hub_refuse('last_owner', 'The last owner of an organization stays. Make another member an owner first.');
  END IF;
  RETURN NULL;
END $$;

-- Agents with sessions are disabled, not deleted: their sessions are history. Deleting a workstation deletes its agents.
CREATE FUNCTION hub_keep_worked_agent() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() = 1 AND EXISTS (SELECT FROM agent_sessions WHERE agent_id = OLD.id) THEN
    PERFORM hub_refuse('agent_has_sessions', 'This agent has sessions. Set its status to disabled instead.');
  END IF;
  RETURN OLD;
END $$;

-- Enters what deleted_at marks into the list of what is to be removed, and takes it off when it is restored.
CREATE FUNCTION hub_mark() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
  old_row JSONB := to_jsonb(OLD);
BEGIN
  IF NEW.deleted_at IS NULL THEN
    DELETE FROM purges WHERE entity = table_name AND row_id = NEW.id;
  ELSIF OLD.deleted_at IS NULL THEN
    INSERT INTO purges (entity, row_id, organization_id, project_id, name, principal, former, due_at)
    SELECT table_name, NEW.id, s.organization_id, s.project_id, coalesce(old_row ->> 'name', old_row ->> 'title', old_row ->> 'branch', old_row ->> 'main_path'),
      coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user), CASE table_name WHEN 'projects' THEN hub_cleared(old_row) END,
      CASE WHEN table_name NOT IN ('organizations', 'projects') THEN clock_timestamp() END
    FROM (SELECT) AS one_row LEFT JOIN audit_scope s ON s.entity = table_name AND s.row_id = NEW.id
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;

-- What the mark of a project clears, and its restoration brings back.
CREATE FUNCTION hub_cleared(project JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('slug', project -> 'slug', 'status', project -> 'status')
$$;

-- A deleted project is not active to anybody who asks for active ones, and its slug is free.
CREATE FUNCTION hub_hide_project() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
    NEW.slug := NULL;
    NEW.status := 'archived';
  ELSIF NEW.deleted_at IS NULL AND OLD.deleted_at IS NOT NULL THEN
    -- A mark that was set without triggers is not on the list, and cleared nothing.
    SELECT coalesce(p.former ->> 'slug', NEW.slug), coalesce((p.former ->> 'status')::project_status, NEW.status) INTO NEW.slug, NEW.status
    FROM (SELECT) AS one_row LEFT JOIN purges p ON p.entity = 'projects' AND p.row_id = NEW.id;
  END IF;
  RETURN NEW;
END $$;

-- A deleted row leaves its unique name to others.
CREATE FUNCTION hub_free_name() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'project_repositories' THEN NEW.github_url := 'deleted:' || NEW.id;
    WHEN 'git_worktrees' THEN NEW.branch := 'deleted:' || NEW.id;
    WHEN 'agents' THEN NEW.name := 'deleted:' || NEW.id;
    WHEN 'users' THEN NEW.monster_auth_user_id := 'deleted:' || NEW.id;
  END CASE;
  RETURN NEW;
END $$;

-- Triggers fire in the order of their names: checks, settling, then touching.
CREATE TRIGGER check_default BEFORE INSERT OR UPDATE OF default_workflow_template_id ON organizations FOR EACH ROW EXECUTE FUNCTION hub_check_organization_default();
CREATE TRIGGER keep_owner AFTER UPDATE OR DELETE ON organization_memberships FOR EACH ROW EXECUTE FUNCTION hub_keep_owner();
CREATE TRIGGER check_tenant BEFORE INSERT OR UPDATE ON project_workstations FOR EACH ROW EXECUTE FUNCTION hub_check_project_workstation();
CREATE TRIGGER check_tenant BEFORE INSERT OR UPDATE ON workstation_repositories FOR EACH ROW EXECUTE FUNCTION hub_check_workstation_repository();
CREATE TRIGGER check_tenant BEFORE INSERT OR UPDATE OF active_agent_id, project_id ON tasks FOR EACH ROW EXECUTE FUNCTION hub_check_task_agent();
CREATE TRIGGER check_tenant BEFORE INSERT OR UPDATE ON task_agents FOR EACH ROW EXECUTE FUNCTION hub_check_task_agent();
CREATE TRIGGER check_tenant BEFORE INSERT OR UPDATE OF task_id, agent_id ON agent_sessions FOR EACH ROW EXECUTE FUNCTION hub_check_task_agent();
CREATE TRIGGER check_worktree BEFORE INSERT OR UPDATE OF worktree_id, agent_id, task_id ON agent_sessions FOR EACH ROW EXECUTE FUNCTION hub_check_session_worktree();
CREATE TRIGGER check_cycle BEFORE INSERT OR UPDATE OF task_id, depends_on_task_id, dependency_type, status ON task_dependencies FOR EACH ROW EXECUTE FUNCTION hub_check_dependency();
CREATE TRIGGER settle BEFORE INSERT OR UPDATE ON task_dependencies FOR EACH ROW EXECUTE FUNCTION hub_stamp_dependency();
CREATE TRIGGER settle BEFORE INSERT OR UPDATE OF list, completed_at, active_agent_id, agent_session_status ON tasks FOR EACH ROW EXECUTE FUNCTION hub_settle_task();
CREATE TRIGGER check_move BEFORE UPDATE OF project_id ON tasks FOR EACH ROW WHEN (NEW.project_id <> OLD.project_id) EXECUTE FUNCTION hub_move_task();
CREATE TRIGGER settle BEFORE UPDATE OF last_active_at ON users FOR EACH ROW EXECUTE FUNCTION hub_coalesce_activity();
CREATE TRIGGER settle BEFORE INSERT OR UPDATE OF status, archived_at ON projects FOR EACH ROW EXECUTE FUNCTION hub_settle_project();
CREATE TRIGGER settle BEFORE INSERT OR UPDATE OF status, started_at, ended_at, duration_seconds ON agent_sessions FOR EACH ROW EXECUTE FUNCTION hub_time_session();
CREATE TRIGGER release_worktree AFTER DELETE ON agent_sessions FOR EACH ROW WHEN (OLD.worktree_id IS NOT NULL AND OLD.status IN ('starting', 'active')) EXECUTE FUNCTION hub_release_worktree();
CREATE TRIGGER keep_worked BEFORE DELETE ON agents FOR EACH ROW EXECUTE FUNCTION hub_keep_worked_agent();
CREATE TRIGGER count_dependencies AFTER INSERT OR DELETE OR UPDATE OF task_id, status ON task_dependencies FOR EACH ROW EXECUTE FUNCTION hub_count_dependencies();
CREATE TRIGGER unblock AFTER UPDATE OF list ON tasks FOR EACH ROW WHEN (NEW.list = 'done' AND OLD.list <> 'done') EXECUTE FUNCTION hub_unblock_dependents();
CREATE TRIGGER count_usage_insert AFTER INSERT ON tasks REFERENCING NEW TABLE AS changed_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER count_usage_update AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER count_usage_delete AFTER DELETE ON tasks REFERENCING OLD TABLE AS changed_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER clear_other BEFORE INSERT OR UPDATE OF is_default ON workflow_templates FOR EACH ROW WHEN (NEW.is_default) EXECUTE FUNCTION hub_clear_other_default();
CREATE TRIGGER clear_other BEFORE INSERT OR UPDATE OF is_default ON actors FOR EACH ROW WHEN (NEW.is_default) EXECUTE FUNCTION hub_clear_other_default();
CREATE TRIGGER default_follows AFTER INSERT OR UPDATE OF is_default ON workflow_templates FOR EACH ROW EXECUTE FUNCTION hub_default_from_flag();
CREATE TRIGGER default_follows AFTER INSERT OR UPDATE OF is_default ON actors FOR EACH ROW EXECUTE FUNCTION hub_default_from_flag();
CREATE TRIGGER default_follows AFTER UPDATE OF default_workflow_template_id, default_actor_id ON projects FOR EACH ROW EXECUTE FUNCTION hub_default_from_project();
CREATE TRIGGER keep_tenant BEFORE UPDATE OF organization_id ON workstations FOR EACH ROW WHEN (NEW.organization_id <> OLD.organization_id) EXECUTE FUNCTION hub_keep_tenant('organization_id');
CREATE TRIGGER keep_tenant BEFORE UPDATE OF organization_id ON projects FOR EACH ROW WHEN (NEW.organization_id <> OLD.organization_id) EXECUTE FUNCTION hub_keep_tenant('organization_id');
CREATE TRIGGER keep_tenant BEFORE UPDATE OF organization_id ON organization_memberships FOR EACH ROW WHEN (NEW.organization_id <> OLD.organization_id) EXECUTE FUNCTION hub_keep_tenant('organization_id');
CREATE TRIGGER keep_tenant BEFORE UPDATE OF workstation_id ON agents FOR EACH ROW WHEN (NEW.workstation_id <> OLD.workstation_id) EXECUTE FUNCTION hub_keep_tenant('workstation_id');
CREATE TRIGGER hide BEFORE UPDATE OF deleted_at ON projects FOR EACH ROW EXECUTE FUNCTION hub_hide_project();

-- Touching and auditing on every table, without the workstations' presence columns: write-back changes thousands of them,
-- and a trigger's call alone would cost too much.
DO $$
DECLARE
  entity TEXT;
  definition TEXT;
  -- The columns of a table that name parents of its rows, and the condition that one of them changed.
  parents TEXT;
  moved TEXT;
  kept CONSTANT TEXT[] := ARRAY['organizations', 'users', 'organization_memberships', 'agents', 'projects', 'project_repositories',
    'workstation_repositories', 'git_worktrees', 'project_workstations', 'workflow_templates', 'actors', 'tasks'];
  without_versions CONSTANT TEXT[] := ARRAY['task_dependencies', 'task_agents', 'task_attachments', 'agent_sessions'];
  -- Their triggers change other rows of the same table.
  nesting CONSTANT TEXT[] := ARRAY['workflow_templates', 'actors'];
  columns CONSTANT TEXT := 'name, hostname, os, arch, platform_version, registration_token, dev_server_public_url, created_at, updated_at, deleted_at';
  -- One list of OR: a condition that a dump restores otherwise than it was would be taken for a changed schema.
  news CONSTANT TEXT := '(OLD.status <> NEW.status AND ''suspended'' IN (OLD.status, NEW.status)) OR '
    || (SELECT string_agg(format('OLD.%1$s IS DISTINCT FROM NEW.%1$s', name), ' OR ' ORDER BY place)
      FROM unnest(string_to_array(columns, ', ')) WITH ORDINALITY AS listed (name, place));
BEGIN
  FOREACH entity IN ARRAY kept LOOP
    EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION hub_touch()', entity);
  END LOOP;
  FOREACH entity IN ARRAY kept || without_versions LOOP
    SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', attname), ' OR ' ORDER BY attnum), string_agg(quote_ident(attname), ', ' ORDER BY attnum)
    INTO moved, parents FROM pg_attribute
    WHERE attrelid = entity::regclass AND attname IN ('project_id', 'task_id', 'workstation_id', 'user_id');
    IF parents IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER aa_move AFTER UPDATE OF %s ON %I FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_move_row()', parents, entity, moved);
    END IF;
    CONTINUE WHEN entity = ANY (nesting || ARRAY['tasks']);
    EXECUTE format('CREATE TRIGGER zz_audit_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_update()', entity);
  END LOOP;
  FOREACH entity IN ARRAY nesting LOOP
    EXECUTE format('CREATE TRIGGER aa_move_insert AFTER INSERT ON %I FOR EACH ROW EXECUTE FUNCTION hub_move_row()', entity);
    EXECUTE format('CREATE TRIGGER ab_audit AFTER INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION hub_audit_row()', entity);
  END LOOP;
  FOREACH entity IN ARRAY kept || without_versions || ARRAY['workstations'] LOOP
    IF entity <> ALL (nesting) THEN
      EXECUTE format('CREATE TRIGGER zz_audit_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_insert()', entity);
    END IF;
    EXECUTE format('CREATE TRIGGER zz_audit_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_delete()', entity);
  END LOOP;
  EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE OF status, %s ON workstations FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_touch()', columns, news);
  EXECUTE format('CREATE TRIGGER zz_audit_update AFTER UPDATE OF status, %s ON workstations FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_audit_row()', columns, news);
  FOREACH entity IN ARRAY kept || without_versions || ARRAY['workstations'] LOOP
    EXECUTE format('CREATE TRIGGER keep_id BEFORE UPDATE OF id ON %I FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION hub_keep_tenant(''id'')', entity);
  END LOOP;
  FOREACH entity IN ARRAY ARRAY['organizations', 'users', 'agents', 'projects', 'project_repositories', 'workstation_repositories', 'git_worktrees',
    'workflow_templates', 'actors', 'tasks'] LOOP
    EXECUTE format('CREATE TRIGGER mark AFTER UPDATE OF deleted_at ON %I FOR EACH ROW WHEN (NEW.deleted_at IS DISTINCT FROM OLD.deleted_at) EXECUTE FUNCTION hub_mark()', entity);
  END LOOP;
  FOREACH entity IN ARRAY ARRAY['users', 'agents', 'project_repositories', 'git_worktrees'] LOOP
    EXECUTE format('CREATE TRIGGER free_name BEFORE UPDATE OF deleted_at ON %I FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION hub_free_name()', entity);
  END LOOP;
  -- Triggers must find this schema's tables under any search_path of the writer, and a definer's function no other tables.
  FOR definition IN
    SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ '^hub_'
      AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', definition, current_schema());
  END LOOP;
  -- Timestamps in the audit trail do not depend on the writer's time zone.
  FOREACH definition IN ARRAY ARRAY['insert', 'update', 'row', 'delete'] LOOP
    EXECUTE format('ALTER FUNCTION hub_audit_%s() SET timezone = %L', definition, 'UTC');
    -- Memoizing compares whole rows, which never repeat.
    EXECUTE format('ALTER FUNCTION hub_audit_%s() SET enable_memoize = off', definition);
    -- A session keeps its plans: one made for many rows would be compiled again for each single row.
    EXECUTE format('ALTER FUNCTION hub_audit_%s() SET jit = off', definition);
  END LOOP;
  -- A plan made while a table is small would read the whole table for each row later.
  FOREACH definition IN ARRAY ARRAY['hub_audit_insert', 'hub_audit_update', 'hub_audit_row', 'hub_audit_delete', 'hub_move_row', 'hub_mark'] LOOP
    EXECUTE format('ALTER FUNCTION %s() SET enable_seqscan = off', definition);
  END LOOP;
END $$;

-- Room on each page for the new version of a row: an update that changes no indexed column then enters no index.
ALTER TABLE tasks SET (fillfactor = 85);

-- Each transaction adds a row to the queue and removes it, and a trim removes many events at once: their dead rows must not wait for a
-- share of the table.
ALTER TABLE feed_queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE audit_events SET (autovacuum_vacuum_scale_factor = 0.01);

-- Tasks change in masses: their columns are compared one by one, which costs a seventh of comparing rows as JSON. The events are
-- those of hub_audit_update.
DO $do$
DECLARE
  compared CONSTANT TEXT[] := ARRAY['id', 'project_id', 'title', 'description', 'refined_title', 'refined_description', 'priority', 'list',
    'list_order', 'mode', 'workflow_template_id', 'workflow_config', 'project_repository_id', 'target_branch', 'actor_id', 'ready',
    'agent_session_status', 'active_agent_id', 'last_agent_session_id', 'plan_solution', 'plan_spec', 'plan_steps', 'review_instructions',
    'review_feedback', 'review_attachments', 'dependency_count', 'created_at', 'updated_at', 'completed_at', 'workflow_step', 'loops',
    'last_error', 'deleted_at'];
  differing CONSTANT TEXT := 'CASE WHEN o.%1$I IS DISTINCT FROM n.%1$I THEN jsonb_build_object(%1$L, %2$s.%1$I) ELSE ''{}'' END';
  former TEXT;
  latter TEXT;
BEGIN
  SELECT string_agg(format(differing, name, 'o'), E' ||\n      ' ORDER BY place), string_agg(format(differing, name, 'n'), E' ||\n      ' ORDER BY place)
  INTO former, latter FROM unnest(compared) WITH ORDINALITY AS listed (name, place);
  -- The event of a task that is marked as deleted has its whole row.
  EXECUTE format($function$
CREATE FUNCTION hub_audit_tasks() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER
SET search_path = %1$I, pg_temp SET timezone = 'UTC' SET enable_memoize = off SET jit = off SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.*
  FROM (SELECT row_number() OVER () AS hub_place, * FROM old_rows) AS o
  FULL JOIN (SELECT row_number() OVER () AS hub_place, * FROM new_rows) AS n USING (hub_place)
  CROSS JOIN LATERAL hub_event('tasks', n.id,
      CASE WHEN o.deleted_at IS NULL AND n.deleted_at IS NOT NULL THEN to_jsonb(o) - 'hub_place' ELSE
      %2$s END,
      %3$s) AS event ORDER BY hub_place;
  RETURN NULL;
END $$
$function$, current_schema(), former, latter);
END $do$;
CREATE TRIGGER zz_audit_update AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_tasks();

-- TRUNCATE has no rows, so that its deletions would reach no subscriber, no trail and no counter.
CREATE FUNCTION hub_refuse_truncate() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM hub_refuse('no_truncate', format('TRUNCATE of %s can''t be published. Use DELETE.', TG_TABLE_NAME));
  RETURN NULL;
END $$;
DO $do$
DECLARE
  entity TEXT;
BEGIN
  EXECUTE format('ALTER FUNCTION hub_refuse_truncate() SET search_path = %I, pg_temp', current_schema());
  FOR entity IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE tgname = 'zz_audit_delete' AND tgrelid IN
    (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace) LOOP
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION hub_refuse_truncate()', entity);
  END LOOP;
END $do$;
