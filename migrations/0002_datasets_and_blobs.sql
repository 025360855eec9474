-- Content-addressed objects and the data set versions that name them. A blob row is written after its object was verified;
-- a row that names a digest is the publication of those bytes.

create table blobs (
    workspace text not null references workspaces (id),
    digest text not null,
    generation bigint not null,
    size_bytes bigint not null check (size_bytes >= 0),
    state text not null check (state in ('live', 'condemned', 'deleting', 'gone', 'corrupt')),
    created_at bigint not null,
    touched_at bigint not null,
    primary key (workspace, digest)
);

create table artifacts (
    workspace text not null references workspaces (id),
    owner text not null check (owner in ('run', 'model_version', 'dataset_version', 'report')),
    owner_id text not null,
    path text not null,
    digest text not null,
    size_bytes bigint not null,
    media_type text not null,
    created_at bigint not null,
    primary key (workspace, owner, owner_id, path),
    foreign key (workspace, digest) references blobs (workspace, digest)
);

create table datasets (
    id text primary key,
    workspace text not null references workspaces (id),
    name text not null,
    description text not null,
    last_version bigint not null,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    row_version bigint not null,
    unique (workspace, name)
);

-- `version` is given when the content has passed validation: numbers have no gaps from broken uploads.
-- `digest` is the SHA-256 of the bytes; `manifest_digest` that of the bytes, format and schema together, which is the identity.
create table dataset_versions (
    id text primary key,
    workspace text not null references workspaces (id),
    dataset_id text not null references datasets (id),
    version bigint,
    state text not null check (state in
        ('PENDING', 'UPLOADING', 'VALIDATING', 'READY', 'FAILED', 'QUARANTINED', 'ARCHIVED', 'DELETED')),
    state_message text not null,
    format text not null check (format in ('csv', 'jsonl', 'parquet')),
    digest text,
    manifest_digest text,
    size_bytes bigint not null,
    num_rows bigint,
    schema_json text,
    profile_json text,
    preview_json text,
    created_by text not null,
    created_at bigint not null,
    updated_at bigint not null,
    row_version bigint not null,
    check (state in ('PENDING', 'UPLOADING', 'VALIDATING', 'FAILED', 'DELETED')
        or (version is not null and digest is not null and manifest_digest is not null
            and num_rows is not null and schema_json is not null and profile_json is not null
            and preview_json is not null))
);
create unique index dataset_versions_number on dataset_versions (dataset_id, version) where version is not null;
create unique index dataset_versions_identity on dataset_versions (dataset_id, manifest_digest)
    where state in ('READY', 'QUARANTINED', 'ARCHIVED');
create index dataset_versions_unfinished on dataset_versions (updated_at)
    where state in ('PENDING', 'UPLOADING', 'VALIDATING', 'FAILED');
