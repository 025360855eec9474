-- Every row of slipway belongs to a workspace, so the workspace and what identifies a caller come first.
-- Ids are text, times are epoch milliseconds, JSON is text: the subset that Postgres and SQLite share.
-- {{serial}}, {{bytes}} and {{clustered}} are filled in per engine by store/migrate.rs.

create table workspaces (
    id text primary key,
    name text not null unique,
    state text not null check (state in ('active', 'suspended', 'deleting', 'deleted')),
    created_at bigint not null
);

create table api_keys (
    id text primary key,
    workspace text not null references workspaces (id),
    name text not null,
    secret_hash text not null,
    role text not null check (role in ('viewer', 'developer', 'operator', 'admin')),
    created_by text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
);
create index api_keys_by_workspace on api_keys (workspace, id);

-- Small named numbers that only ever grow: the supervisor epoch of jobs, the revision of the routing table.
create table counters (
    name text primary key,
    value bigint not null
);

-- The outbox. `seq` is counted per workspace by a row that the writing transaction holds until it commits, so the order of
-- numbers is the order of commits and a reader that has seen n can never miss n - 1.
create table event_counters (
    workspace text primary key references workspaces (id),
    last_seq bigint not null
);

create table events (
    workspace text not null references workspaces (id),
    seq bigint not null,
    kind text not null,
    entity text not null,
    entity_id text not null,
    actor text not null,
    payload text not null,
    at bigint not null,
    primary key (workspace, seq)
);

create table state_transitions (
    id {{serial}},
    workspace text not null references workspaces (id),
    entity text not null,
    entity_id text not null,
    from_state text not null,
    to_state text not null,
    actor text not null,
    reason text not null,
    fence bigint,
    at bigint not null
);
create index state_transitions_by_entity on state_transitions (workspace, entity, entity_id, id);

-- Answers of mutating requests that carried an Idempotency-Key, kept for a day.
create table idempotency_keys (
    workspace text not null references workspaces (id),
    principal text not null,
    key text not null,
    fingerprint text not null,
    status bigint,
    content_type text,
    body {{bytes}},
    created_at bigint not null,
    primary key (workspace, principal, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
