-- Queues that a transaction under way is the first to call into. They become queues when it commits: a row
-- in the table of those, whose key is unique, would have everybody else who calls into it wait until then.
create table {schema}.new_queue (
    app_id text not null,
    queue  text not null check (queue ~ '^[A-Za-z0-9_.-]+$')
);
-- prepare_registration: whether this transaction has said so already
create index new_queue_idx on {schema}.new_queue (app_id, queue);
revoke all on {schema}.new_queue from public;
