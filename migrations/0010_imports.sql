-- What was brought in from elsewhere. A thing that was imported is known by the name that it has at its source, so that an import
-- can be repeated, or taken up again after it was cut off, and finds what it brought before.

create table imports (
    id text primary key,
    workspace text not null references workspaces (id),
    source text not null,
    round bigint not null,
    state text not null check (state in ('RUNNING', 'DONE')),
    created_at bigint not null,
    updated_at bigint not null,
    unique (workspace, source)
);

-- `round` is that of the import which looked at the thing last; `items` and `digest` say what it consisted of at its source then.
create table imported (
    import_id text not null references imports (id),
    kind text not null,
    source_id text not null,
    target_id text not null,
    round bigint not null,
    items bigint not null,
    digest text not null,
    primary key (import_id, kind, source_id)
){{clustered}};
