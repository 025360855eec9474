-- Tracking. Runs and metric keys have small integer surrogates, which is what the large table of points carries.
-- A value is stored as the bits of its double, so NaN, the infinities and -0 survive on both engines and the identity of a
-- point (run, key, step, timestamp, value bits, attempt) is exact.

create table experiments (
    id text primary key,
    workspace text not null references workspaces (id),
    name text not null,
    artifact_location text not null,
    lifecycle_stage text not null check (lifecycle_stage in ('active', 'deleted')),
    created_at bigint not null,
    updated_at bigint not null
);
create unique index experiments_active_name on experiments (workspace, name) where lifecycle_stage = 'active';

create table runs (
    seq {{serial}},
    id text not null unique,
    workspace text not null references workspaces (id),
    experiment_id text not null references experiments (id),
    name text not null,
    status text not null check (status in ('SCHEDULED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED')),
    user_id text not null,
    job_id text,
    attempt_no bigint not null,
    start_time bigint not null,
    end_time bigint,
    lifecycle_stage text not null check (lifecycle_stage in ('active', 'deleted')),
    row_version bigint not null
);
create index runs_by_experiment on runs (workspace, experiment_id, start_time, id);
create index runs_by_workspace on runs (workspace, id);

create table params (
    run_seq bigint not null references runs (seq),
    key text not null,
    value text not null,
    primary key (run_seq, key)
){{clustered}};

create table run_tags (
    run_seq bigint not null references runs (seq),
    key text not null,
    value text not null,
    primary key (run_seq, key)
){{clustered}};

-- One row per run and key: the latest point (greatest by step, timestamp, value) and a summary of the visible points.
create table metric_keys (
    seq {{serial}},
    run_seq bigint not null references runs (seq),
    key text not null,
    latest_step bigint not null,
    latest_timestamp bigint not null,
    latest_bits bigint not null,
    points bigint not null,
    unique (run_seq, key)
);

create table metric_points (
    key_seq bigint not null references metric_keys (seq),
    step bigint not null,
    timestamp bigint not null,
    bits bigint not null,
    attempt_no bigint not null,
    superseded boolean not null,
    primary key (key_seq, step, timestamp, bits, attempt_no)
){{clustered}};

create table run_inputs (
    run_seq bigint not null references runs (seq),
    dataset_version_id text not null references dataset_versions (id),
    context text not null,
    primary key (run_seq, dataset_version_id, context)
){{clustered}};
create index run_inputs_by_dataset on run_inputs (dataset_version_id);
