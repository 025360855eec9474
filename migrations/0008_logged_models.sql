-- Models as runs log them, before anybody registers them: a name, params, tags and files of their own, the runs that made or
-- used them, and points that were measured on them, each with the data set that it was measured with.

create table logged_models (
    seq {{serial}},
    id text not null unique,
    workspace text not null references workspaces (id),
    experiment_id text not null references experiments (id),
    name text not null,
    status text not null check (status in ('PENDING', 'READY', 'FAILED')),
    model_type text not null,
    source_run_id text not null,
    lifecycle_stage text not null check (lifecycle_stage in ('active', 'deleted')),
    created_at bigint not null,
    updated_at bigint not null
);
create index logged_models_by_experiment on logged_models (workspace, experiment_id, created_at, id);
create index logged_models_by_run on logged_models (workspace, source_run_id);

create table logged_model_params (
    model_seq bigint not null references logged_models (seq),
    key text not null,
    value text not null,
    primary key (model_seq, key)
){{clustered}};

create table logged_model_tags (
    model_seq bigint not null references logged_models (seq),
    key text not null,
    value text not null,
    primary key (model_seq, key)
){{clustered}};

-- A point is itself its identity, so that a repeated batch adds nothing. Without a data set the two last columns are empty.
create table logged_model_metrics (
    model_seq bigint not null references logged_models (seq),
    key text not null,
    timestamp bigint not null,
    step bigint not null,
    run_seq bigint not null references runs (seq),
    bits bigint not null,
    dataset_name text not null,
    dataset_digest text not null,
    primary key (model_seq, key, timestamp, step, run_seq, bits, dataset_name, dataset_digest)
){{clustered}};

-- Clients may name models of another server here, so the id is a text and no reference.
create table run_models (
    run_seq bigint not null references runs (seq),
    direction text not null check (direction in ('INPUT', 'OUTPUT')),
    model_id text not null,
    step bigint not null,
    primary key (run_seq, direction, model_id, step)
){{clustered}};

-- Files may belong to a logged model from now on. SQLite can't change a check, so the table is made anew.
create table artifacts_of_all (
    workspace text not null references workspaces (id),
    owner text not null check (owner in ('run', 'logged_model', 'model_version', 'dataset_version', 'report')),
    owner_id text not null,
    path text not null,
    digest text not null,
    size_bytes bigint not null,
    media_type text not null,
    created_at bigint not null,
    primary key (workspace, owner, owner_id, path),
    foreign key (workspace, digest) references blobs (workspace, digest)
);
insert into artifacts_of_all select workspace, owner, owner_id, path, digest, size_bytes, media_type, created_at from artifacts;
drop table artifacts;
alter table artifacts_of_all rename to artifacts;
