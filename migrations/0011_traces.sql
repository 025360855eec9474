-- Traces. A trace has a small integer surrogate, which is what its many spans carry; a span keeps in columns what searches look
-- at and all the rest as one text of JSON. Times of traces are milliseconds, those of spans nanoseconds.

create table traces (
    seq {{serial}},
    workspace text not null references workspaces (id),
    id text not null,
    experiment_id text not null references experiments (id),
    request_time bigint not null,
    end_time bigint,
    state text not null check (state in ('STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS')),
    client_request_id text,
    request_preview text,
    response_preview text,
    finalized boolean not null,
    unique (workspace, id)
);
create index traces_by_experiment on traces (workspace, experiment_id, request_time, id);
create index traces_by_time on traces (request_time);

create table trace_tags (
    trace_seq bigint not null references traces (seq),
    key text not null,
    value text not null,
    primary key (trace_seq, key)
){{clustered}};

create table trace_metadata (
    trace_seq bigint not null references traces (seq),
    key text not null,
    value text not null,
    primary key (trace_seq, key)
){{clustered}};

create table trace_runs (
    trace_seq bigint not null references traces (seq),
    run_id text not null,
    primary key (trace_seq, run_id)
){{clustered}};

create table trace_prompts (
    trace_seq bigint not null references traces (seq),
    name text not null,
    version text not null,
    primary key (trace_seq, name, version)
){{clustered}};

-- `usage` repeats tokens and money out of `content`, so that the sum over a trace reads none of its inputs and outputs.
create table spans (
    trace_seq bigint not null references traces (seq),
    span_id text not null,
    parent_id text,
    name text not null,
    kind text,
    status text not null check (status in ('UNSET', 'OK', 'ERROR')),
    start_ns bigint not null,
    end_ns bigint,
    usage text,
    content text not null,
    primary key (trace_seq, span_id)
);

create table assessments (
    trace_seq bigint not null references traces (seq),
    id text not null,
    name text not null,
    kind text not null check (kind in ('feedback', 'expectation', 'issue')),
    value text not null,
    rank bigint,
    error text,
    source_type text not null,
    source_id text not null,
    run_id text,
    span_id text,
    rationale text,
    overrides text,
    valid boolean not null,
    metadata text not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (trace_seq, id)
);
