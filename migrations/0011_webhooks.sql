-- Webhooks. Events are already an outbox, numbered without gaps: a cursor says how far they were turned into deliveries, in the
-- transaction that makes these. A delivery that is claimed comes due again by itself, so one that died with its server is tried
-- again.

create table webhooks (
    id text primary key,
    workspace text not null references workspaces (id),
    name text not null,
    description text not null,
    url text not null,
    events_json text not null,
    status text not null check (status in ('ACTIVE', 'DISABLED')),
    secret text,
    since_seq bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index webhooks_by_workspace on webhooks (workspace, created_at, id);

create table webhook_cursors (
    workspace text primary key references workspaces (id),
    seq bigint not null
);

create table webhook_deliveries (
    id text primary key,
    webhook_id text not null references webhooks (id),
    seq bigint not null,
    event text not null,
    body text not null,
    state text not null check (state in ('PENDING', 'RETRYING', 'DELIVERED', 'DEAD')),
    attempts bigint not null,
    tries bigint not null,
    next_at bigint,
    response_status bigint,
    error text,
    created_at bigint not null,
    finished_at bigint,
    unique (webhook_id, seq)
);
create index webhook_deliveries_due on webhook_deliveries (next_at, id) where next_at is not null;
create index webhook_deliveries_over on webhook_deliveries (finished_at) where finished_at is not null;
