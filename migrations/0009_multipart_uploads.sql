-- Uploads whose parts go to the object store directly, past this server. The row says what the parts are to become; the file's own
-- row follows when they have been read, hashed and stored under their digest.

create table multipart_uploads (
    id text primary key,
    workspace text not null references workspaces (id),
    owner text not null check (owner in ('run', 'logged_model')),
    owner_id text not null,
    path text not null,
    parts bigint not null check (parts between 1 and 10000),
    state text not null check (state in ('OPEN', 'COMPLETE', 'ABORTED')),
    created_at bigint not null,
    updated_at bigint not null
);
create index multipart_uploads_by_age on multipart_uploads (updated_at);
