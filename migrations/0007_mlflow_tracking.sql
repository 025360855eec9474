-- What the MLflow door adds to tracking: tags of experiments, data sets that runs name (which are descriptions, not uploads),
-- and an index by metric value, so that "the best runs" are read from its end instead of being looked for.

create table experiment_tags (
    experiment_id text not null references experiments (id),
    key text not null,
    value text not null,
    primary key (experiment_id, key)
){{clustered}};

create table logged_datasets (
    seq {{serial}},
    experiment_id text not null references experiments (id),
    name text not null,
    digest text not null,
    source_type text not null,
    source text not null,
    schema_text text,
    profile_text text,
    unique (experiment_id, name, digest)
);

create table logged_inputs (
    run_seq bigint not null references runs (seq),
    dataset_seq bigint not null references logged_datasets (seq),
    primary key (run_seq, dataset_seq)
){{clustered}};
create index logged_inputs_by_dataset on logged_inputs (dataset_seq, run_seq);

create table logged_input_tags (
    run_seq bigint not null,
    dataset_seq bigint not null,
    key text not null,
    value text not null,
    primary key (run_seq, dataset_seq, key),
    foreign key (run_seq, dataset_seq) references logged_inputs (run_seq, dataset_seq)
){{clustered}};

-- The expression orders the bits of doubles as the doubles are ordered, -0 before 0: store/tracking/sql.rs has it a second time.
create index metric_keys_by_value on metric_keys
    (key, (case when latest_bits >= 0 then latest_bits else -1 - latest_bits + (-9223372036854775807 - 1) end), run_seq);

-- MLflow's clients know the experiment Default by the id 0. One that was made under another id moves.
insert into experiments (id, workspace, name, artifact_location, lifecycle_stage, created_at, updated_at)
    select '0', workspace, 'Default moves to 0', artifact_location, lifecycle_stage, created_at, updated_at from experiments
    where workspace = 'default' and name = 'Default' and lifecycle_stage = 'active';
update runs set experiment_id = '0' where experiment_id in
    (select id from experiments where workspace = 'default' and name = 'Default' and lifecycle_stage = 'active');
delete from experiments where workspace = 'default' and name = 'Default' and lifecycle_stage = 'active';
update experiments set name = 'Default' where id = '0';
