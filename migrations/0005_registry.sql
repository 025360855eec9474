-- Registered models, their versions, the aliases that point at versions and the append-only history of every move.

create table registered_models (
    id text primary key,
    workspace text not null references workspaces (id),
    name text not null,
    description text not null,
    gates_json text not null,
    last_version bigint not null,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    row_version bigint not null,
    unique (workspace, name)
);

create table model_versions (
    id text primary key,
    workspace text not null references workspaces (id),
    model_id text not null references registered_models (id),
    version bigint not null,
    state text not null check (state in
        ('PENDING_REGISTRATION', 'READY', 'FAILED_REGISTRATION', 'QUARANTINED', 'DEPRECATED', 'ARCHIVED', 'DELETED')),
    state_message text not null,
    description text not null,
    run_id text,
    manifest_digest text not null,
    model_digest text not null,
    size_bytes bigint not null,
    flavor text not null,
    signature_json text not null,
    reference_json text,
    dataset_digests_json text not null,
    metrics_json text not null,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    row_version bigint not null,
    unique (model_id, version)
);
create index model_versions_by_run on model_versions (run_id);

create table model_tags (
    model_id text not null references registered_models (id),
    key text not null,
    value text not null,
    primary key (model_id, key)
){{clustered}};

create table model_version_tags (
    model_version_id text not null references model_versions (id),
    key text not null,
    value text not null,
    primary key (model_version_id, key)
){{clustered}};

-- `version` is null after the alias was deleted; the row stays so that its revision never starts again.
create table aliases (
    workspace text not null references workspaces (id),
    model_id text not null references registered_models (id),
    alias text not null,
    version bigint,
    revision bigint not null,
    updated_at bigint not null,
    primary key (model_id, alias)
);
create index aliases_by_workspace on aliases (workspace, alias);

create table alias_events (
    workspace text not null references workspaces (id),
    model_id text not null references registered_models (id),
    alias text not null,
    revision bigint not null,
    kind text not null check (kind in ('PROMOTE', 'ROLLBACK', 'DELETE')),
    from_version bigint,
    to_version bigint,
    reverts_revision bigint,
    manifest_digest text,
    gates_json text not null,
    actor text not null,
    reason text not null,
    at bigint not null,
    primary key (model_id, alias, revision)
);
