-- Points on their way into metric_points. What one commit logs in a workspace is one row here: durable at the price of a row,
-- whatever the number of keys. A fold takes rows out, and puts their points where reads look; a read folds what is there first.

create table metric_batches (
    seq {{serial}},
    workspace text not null references workspaces (id),
    points bigint not null,
    packed {{bytes}} not null
);
create index metric_batches_by_workspace on metric_batches (workspace, seq);
