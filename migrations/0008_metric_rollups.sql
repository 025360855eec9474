-- What charts read of long metrics. Each row stands for 1024 visible points of a key that follow each other: as a whole, in blocks
-- of 64 and in blocks of 8. Rows are made by those who read, and hold as long as their points and those after them are as many as
-- the key has: points are only added to a key, unless a new attempt hides some, which `rewrites` counts.

alter table metric_keys add column rewrites bigint not null default 0;

create table metric_rollups (
    key_seq bigint not null references metric_keys (seq),
    number bigint not null,
    rewrites bigint not null,
    last_timestamp bigint not null,
    last_bits bigint not null,
    whole {{bytes}} not null,
    coarse {{bytes}} not null,
    fine {{bytes}} not null,
    primary key (key_seq, number)
);
