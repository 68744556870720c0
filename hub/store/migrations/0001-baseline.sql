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
--  * additions: workstations.presence_revision, UNIQUE registration_token (it holds a SHA-256 in hex), UNIQUE agents
--    (workstation_id, type, name), organization_memberships.invited_email, tasks.workflow_step, loops and last_error, audit_events, audit_pending, audit_scope,
--    serving_hub, rpc_results, schema_migrations.

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
  last_active_at TIMESTAMPTZ(3) NOT NULL DEFAULT now()
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
  presence_revision BIGINT NOT NULL DEFAULT 0 CHECK (presence_revision >= 0),
  dev_server_enabled BOOLEAN NOT NULL DEFAULT false,
  dev_server_port INTEGER CHECK (dev_server_port BETWEEN 1 AND 65535),
  dev_server_public_url TEXT,
  created_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
  deleted_at TIMESTAMPTZ(3)
);

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

-- The audit trail: every change with its principal, presence transitions ('presence') and renumbered tasks of a board ('reordered').
-- Kept without limit unless a retention is set.
CREATE TYPE audit_operation AS ENUM ('created', 'updated', 'deleted', 'presence', 'reordered');
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
  touches_rights BOOLEAN NOT NULL DEFAULT false
);
CREATE INDEX idx_audit_events_row ON audit_events (row_id, id);
CREATE INDEX idx_audit_events_organization ON audit_events (organization_id, id);
CREATE INDEX idx_audit_events_project ON audit_events (project_id, id);
CREATE INDEX idx_audit_events_at ON audit_events (at);
-- When the workstations of an organization were online: reads presence transitions alone.
CREATE INDEX idx_audit_events_presence ON audit_events (organization_id, at) WHERE operation = 'presence';
-- Nodes read changes of rights by transaction, because a late commit may have an early id.
CREATE INDEX idx_audit_events_rights ON audit_events (xid) WHERE touches_rights;

-- Events that are not published yet. Not a snapshot horizon: an open transaction elsewhere would hold that back.
CREATE TABLE audit_pending (id BIGINT PRIMARY KEY REFERENCES audit_events (id) ON DELETE CASCADE);

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
      'last_heartbeat_at', 'realtime_member_key', 'realtime_presence_meta', 'presence_revision', 'dev_server_enabled', 'dev_server_port']
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
BEGIN
  IF hub_news(TG_TABLE_NAME, to_jsonb(NEW)) IS DISTINCT FROM hub_news(TG_TABLE_NAME, to_jsonb(OLD)) THEN
    NEW.updated_at := greatest(OLD.updated_at + interval '1 millisecond', clock_timestamp());
  ELSE
    NEW.updated_at := OLD.updated_at;
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
    WHEN 'organization_memberships' THEN ARRAY['user_id', 'role', 'status']
    WHEN 'workstations' THEN ARRAY['status', 'deleted_at']
    WHEN 'projects' THEN ARRAY['status']
    WHEN 'project_workstations' THEN ARRAY['project_id', 'workstation_id']
    WHEN 'tasks' THEN ARRAY['project_id']
    ELSE ARRAY[]::TEXT[]
  END
$$;

CREATE FUNCTION hub_changed(entry JSONB, other JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(entry) WHERE other -> key IS DISTINCT FROM value
$$;

-- Rows below a task move to another project with it.
CREATE FUNCTION hub_move_scope(task VARCHAR, project VARCHAR) RETURNS VOID LANGUAGE sql AS $$
  UPDATE audit_scope SET project_id = project WHERE (entity, row_id) IN (
    SELECT 'task_agents', id FROM task_agents WHERE task_id = task
    UNION ALL SELECT 'task_attachments', id FROM task_attachments WHERE task_id = task
    UNION ALL SELECT 'agent_sessions', id FROM agent_sessions WHERE task_id = task
  )
$$;

-- Writes the audit trail in the transaction of each change. Other writers of the database need no grants for it.
CREATE FUNCTION hub_audit() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  secrets CONSTANT TEXT[] := ARRAY['registration_token', 'environment_vars'];
  -- These columns name the parents of a row.
  parents CONSTANT TEXT[] := ARRAY['project_id', 'task_id', 'workstation_id', 'user_id'];
  old_row JSONB := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - secrets END;
  new_row JSONB := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - secrets END;
  secret_changed BOOLEAN := TG_OP = 'UPDATE' AND TG_TABLE_NAME IN ('workstations', 'agents')
    AND (to_jsonb(OLD) -> 'registration_token' IS DISTINCT FROM to_jsonb(NEW) -> 'registration_token'
      OR to_jsonb(OLD) -> 'environment_vars' IS DISTINCT FROM to_jsonb(NEW) -> 'environment_vars');
  who TEXT := coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user);
  changed_id VARCHAR := coalesce(new_row, old_row) ->> 'id';
  scope RECORD;
  rights BOOLEAN;
  event BIGINT;
BEGIN
  IF TG_OP = 'UPDATE' AND NOT secret_changed AND hub_news(TG_TABLE_NAME, old_row) = hub_news(TG_TABLE_NAME, new_row) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    DELETE FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id
    RETURNING s.organization_id, s.project_id, s.task_id, s.workstation_id, s.user_id INTO scope;
    rights := TG_TABLE_NAME = 'users' OR hub_rights(TG_TABLE_NAME) <> '{}';
  ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'organization_memberships'
    AND NOT EXISTS (SELECT FROM unnest(parents) f WHERE old_row -> f IS DISTINCT FROM new_row -> f) THEN
    -- Not looked up again: a cascade also updates rows whose parents are deleted already. A membership names all its
    -- parents itself, and an invitation may have been linked to its user without an event.
    SELECT s.organization_id, s.project_id, s.task_id, s.workstation_id, s.user_id INTO scope
    FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id;
  ELSE
    SELECT s.organization AS organization_id, s.project AS project_id, s.task AS task_id, s.workstation AS workstation_id, s.person AS user_id
    INTO scope FROM hub_scope(TG_TABLE_NAME, new_row) s;
    INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
    VALUES (TG_TABLE_NAME, changed_id, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id)
    ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
      = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'tasks' THEN
      PERFORM hub_move_scope(changed_id, scope.project_id);
    END IF;
    rights := TG_TABLE_NAME IN ('organization_memberships', 'project_workstations');
  END IF;
  IF TG_OP = 'UPDATE' THEN
    rights := secret_changed OR EXISTS (SELECT FROM unnest(hub_rights(TG_TABLE_NAME)) f WHERE old_row -> f IS DISTINCT FROM new_row -> f);
  END IF;
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights)
  VALUES (
    who, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, TG_TABLE_NAME, changed_id,
    CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END::audit_operation,
    CASE TG_OP WHEN 'UPDATE' THEN hub_changed(old_row, new_row) ELSE old_row END,
    CASE TG_OP WHEN 'UPDATE' THEN hub_changed(new_row, old_row) ELSE new_row END,
    rights
  ) RETURNING id INTO event;
  IF coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN
    INSERT INTO audit_pending VALUES (event);
  END IF;
  -- Also when nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '');
  RETURN NULL;
END $$;

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
    PERFORM FROM tasks WHERE id = task FOR NO KEY UPDATE;
    UPDATE tasks SET dependency_count = (SELECT count(*) FROM task_dependencies WHERE task_id = task AND status = 'active')
    WHERE id = task;
  END LOOP;
  RETURN NULL;
END $$;

-- The number of tasks of each template and actor: per statement, rows locked in order, and only changed rows. Otherwise
-- every edit of a task would wait for its template.
CREATE FUNCTION hub_count_usage() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM hub_add_usage(array_agg(workflow_template_id), array_agg(actor_id), '{}', '{}') FROM new_tasks;
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM hub_add_usage('{}', '{}', array_agg(workflow_template_id), array_agg(actor_id)) FROM old_tasks;
  ELSE
    PERFORM hub_add_usage(array_agg(n.workflow_template_id), array_agg(n.actor_id), array_agg(o.workflow_template_id), array_agg(o.actor_id))
    FROM old_tasks o JOIN new_tasks n USING (id)
    WHERE (o.workflow_template_id, o.actor_id) IS DISTINCT FROM (n.workflow_template_id, n.actor_id);
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION hub_steps(gained VARCHAR[], lost VARCHAR[]) RETURNS TABLE (id VARCHAR, step INTEGER) LANGUAGE sql IMMUTABLE ROWS 10 AS $$
  SELECT id, sum(step)::INTEGER
  FROM (SELECT unnest(gained) AS id, 1 AS step UNION ALL SELECT unnest(lost), -1) steps
  WHERE id IS NOT NULL GROUP BY id HAVING sum(step) <> 0
$$;

CREATE FUNCTION hub_add_usage(templates VARCHAR[], of_actors VARCHAR[], former_templates VARCHAR[], former_actors VARCHAR[])
RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM workflow_templates WHERE id = ANY (templates || former_templates) ORDER BY id FOR NO KEY UPDATE;
  UPDATE workflow_templates w SET tasks_using_count = greatest(0, w.tasks_using_count + s.step)
  FROM hub_steps(templates, former_templates) s WHERE w.id = s.id;
  PERFORM FROM actors WHERE id = ANY (of_actors || former_actors) ORDER BY id FOR NO KEY UPDATE;
  UPDATE actors a SET tasks_assigned_count = greatest(0, a.tasks_assigned_count + s.step)
  FROM hub_steps(of_actors, former_actors) s WHERE a.id = s.id;
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
CREATE TRIGGER count_usage_insert AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER count_usage_update AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER count_usage_delete AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER clear_other BEFORE INSERT OR UPDATE OF is_default ON workflow_templates FOR EACH ROW WHEN (NEW.is_default) EXECUTE FUNCTION hub_clear_other_default();
CREATE TRIGGER clear_other BEFORE INSERT OR UPDATE OF is_default ON actors FOR EACH ROW WHEN (NEW.is_default) EXECUTE FUNCTION hub_clear_other_default();
CREATE TRIGGER default_follows AFTER INSERT OR UPDATE OF is_default ON workflow_templates FOR EACH ROW EXECUTE FUNCTION hub_default_from_flag();
CREATE TRIGGER default_follows AFTER INSERT OR UPDATE OF is_default ON actors FOR EACH ROW EXECUTE FUNCTION hub_default_from_flag();
CREATE TRIGGER default_follows AFTER UPDATE OF default_workflow_template_id, default_actor_id ON projects FOR EACH ROW EXECUTE FUNCTION hub_default_from_project();
CREATE TRIGGER keep_tenant BEFORE UPDATE OF organization_id ON workstations FOR EACH ROW WHEN (NEW.organization_id <> OLD.organization_id) EXECUTE FUNCTION hub_keep_tenant('organization_id');
CREATE TRIGGER keep_tenant BEFORE UPDATE OF organization_id ON projects FOR EACH ROW WHEN (NEW.organization_id <> OLD.organization_id) EXECUTE FUNCTION hub_keep_tenant('organization_id');
CREATE TRIGGER keep_tenant BEFORE UPDATE OF organization_id ON organization_memberships FOR EACH ROW WHEN (NEW.organization_id <> OLD.organization_id) EXECUTE FUNCTION hub_keep_tenant('organization_id');
CREATE TRIGGER keep_tenant BEFORE UPDATE OF workstation_id ON agents FOR EACH ROW WHEN (NEW.workstation_id <> OLD.workstation_id) EXECUTE FUNCTION hub_keep_tenant('workstation_id');

-- Touching and auditing on every table, without the workstations' presence columns: write-back changes thousands of them,
-- and a trigger's call alone would cost too much.
DO $$
DECLARE
  entity TEXT;
  definition TEXT;
  kept CONSTANT TEXT[] := ARRAY['organizations', 'users', 'organization_memberships', 'agents', 'projects', 'project_repositories',
    'workstation_repositories', 'git_worktrees', 'project_workstations', 'workflow_templates', 'actors', 'tasks'];
  without_versions CONSTANT TEXT[] := ARRAY['task_dependencies', 'task_agents', 'task_attachments', 'agent_sessions'];
  columns CONSTANT TEXT := 'name, hostname, os, arch, platform_version, registration_token, dev_server_public_url, created_at, updated_at, deleted_at';
  news CONSTANT TEXT := format('(OLD.status <> NEW.status AND ''suspended'' IN (OLD.status, NEW.status)) OR ROW (%s) IS DISTINCT FROM ROW (%s)',
    'OLD.' || replace(columns, ', ', ', OLD.'), 'NEW.' || replace(columns, ', ', ', NEW.'));
BEGIN
  FOREACH entity IN ARRAY kept LOOP
    EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION hub_touch()', entity);
  END LOOP;
  FOREACH entity IN ARRAY kept || without_versions LOOP
    EXECUTE format('CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION hub_audit()', entity);
  END LOOP;
  EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE OF status, %s ON workstations FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_touch()', columns, news);
  EXECUTE format('CREATE TRIGGER zz_audit AFTER UPDATE OF status, %s ON workstations FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_audit()', columns, news);
  CREATE TRIGGER zz_audit_rows AFTER INSERT OR DELETE ON workstations FOR EACH ROW EXECUTE FUNCTION hub_audit();
  FOREACH entity IN ARRAY kept || without_versions || ARRAY['workstations'] LOOP
    EXECUTE format('CREATE TRIGGER keep_id BEFORE UPDATE OF id ON %I FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION hub_keep_tenant(''id'')', entity);
  END LOOP;
  -- Triggers must find this schema's tables under any search_path of the writer, and a definer's function no other tables.
  FOR definition IN
    SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ '^hub_'
      AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', definition, current_schema());
  END LOOP;
  -- Timestamps in the audit trail do not depend on the writer's time zone.
  ALTER FUNCTION hub_audit() SET timezone = 'UTC';
END $$;
