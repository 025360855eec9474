-- Jobs and their attempts. The queue only carries ids; these tables decide. The table of jobs is not called `jobs` because apalis
-- has a table of that name on SQLite. At most one attempt of a job is active, which the
-- partial unique index holds even against a bug in the code above it.

create table job_records (
    id text primary key,
    workspace text not null references workspaces (id),
    kind text not null check (kind in ('TRAIN')),
    queue text not null,
    priority bigint not null,
    state text not null check (state in ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'TIMEOUT', 'CANCELED')),
    state_message text not null,
    termination_reason text,
    spec_json text not null,
    result_json text,
    progress_json text,
    run_id text not null references runs (id),
    attempt_no bigint not null,
    failures bigint not null,
    lost bigint not null,
    max_failures bigint not null,
    max_duration_ms bigint,
    cancel_requested boolean not null,
    retry_at bigint not null,
    nudged_at bigint not null,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    ended_at bigint,
    row_version bigint not null,
    check ((state in ('PENDING', 'RUNNING')) = (ended_at is null))
);
create index jobs_runnable on job_records (queue, priority, retry_at, id) where state = 'PENDING';
create index jobs_by_workspace on job_records (workspace, id);
create index jobs_by_run on job_records (run_id);

create table job_attempts (
    workspace text not null references workspaces (id),
    job_id text not null references job_records (id),
    attempt_no bigint not null,
    epoch bigint not null unique,
    worker_id text not null,
    state text not null check (state in
        ('leased', 'starting', 'running', 'stopping', 'succeeded', 'failed', 'cancelled', 'timed_out', 'lost')),
    lease_expires_at bigint not null,
    resume_step bigint,
    termination_reason text,
    message text not null,
    leased_at bigint not null,
    started_at bigint,
    ended_at bigint,
    primary key (job_id, attempt_no)
);
create unique index job_attempts_one_active on job_attempts (job_id)
    where state in ('leased', 'starting', 'running', 'stopping');
create index job_attempts_by_lease on job_attempts (lease_expires_at)
    where state in ('leased', 'starting', 'running', 'stopping');

create table checkpoints (
    workspace text not null references workspaces (id),
    job_id text not null references job_records (id),
    step bigint not null,
    attempt_no bigint not null,
    digest text not null,
    size_bytes bigint not null,
    created_at bigint not null,
    primary key (job_id, step),
    foreign key (workspace, digest) references blobs (workspace, digest)
);

-- Processes that pick work up: not a tenant's, so without a workspace. The id is new at every start.
create table worker_processes (
    id text primary key,
    host text not null,
    pid bigint not null,
    slots bigint not null,
    started_at bigint not null,
    heartbeat_at bigint not null
);
