-- Sign-ins of browsers. A session is a key used from a browser: it has the key's workspace and role, and ends with the key at the
-- latest. The cookie holds a secret of its own, of which only the hash is stored.

create table sessions (
    secret_hash text primary key,
    key_id text not null references api_keys (id),
    created_at bigint not null,
    expires_at bigint not null
);
create index sessions_by_expiry on sessions (expires_at);
