-- What each server process has loaded, what the models saw in production, and what was concluded from it.

create table replicas (
    id text primary key,
    host text not null,
    pid bigint not null,
    url text not null,
    started_at bigint not null,
    heartbeat_at bigint not null
);

create table replica_routes (
    replica_id text not null references replicas (id) on delete cascade,
    workspace text not null references workspaces (id),
    model_id text not null references registered_models (id),
    version bigint not null,
    state text not null check (state in ('LOADING', 'AVAILABLE', 'UNLOADING', 'FAILED')),
    message text not null,
    labels text not null,
    updated_at bigint not null,
    primary key (replica_id, model_id, version)
);

-- One row per version, minute and process, replaced by each flush of the same minute; rows merge by addition.
create table window_profiles (
    workspace text not null references workspaces (id),
    model_version_id text not null references model_versions (id),
    bucket_start bigint not null,
    shard text not null,
    seq bigint not null,
    num_rows bigint not null,
    profile {{bytes}} not null,
    primary key (model_version_id, bucket_start, shard)
);
create index window_profiles_by_time on window_profiles (workspace, bucket_start);

create table monitors (
    model_id text primary key references registered_models (id),
    workspace text not null references workspaces (id),
    enabled boolean not null,
    window_ms bigint not null check (window_ms >= 60000),
    rules_json text not null,
    scanned_through bigint not null,
    updated_at bigint not null,
    row_version bigint not null
);

create table drift_reports (
    id text primary key,
    workspace text not null references workspaces (id),
    model_id text not null references registered_models (id),
    model_version_id text not null references model_versions (id),
    version bigint not null,
    window_start bigint not null,
    window_end bigint not null,
    revision bigint not null,
    state text not null check (state in ('OK', 'DRIFTED', 'INSUFFICIENT_DATA', 'SUPERSEDED')),
    num_rows bigint not null,
    report_json text not null,
    created_at bigint not null,
    unique (model_version_id, window_start, window_end, revision)
);
create index drift_reports_by_model on drift_reports (workspace, model_id, window_start, id);
