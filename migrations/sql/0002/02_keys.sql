-- Idempotency keys: which invocation a call with the key became. They stay when that has begun or
-- ended, and go with the partition that it is in.
create table {schema}.call_key (
    app_id text not null,
    task_id text not null,
    key text not null check (key <> ''),
    invocation_id uuid not null,
    primary key (app_id, task_id, key)
);
-- drop_old_partitions: the keys that point into one
create index call_key_invocation_idx on {schema}.call_key (invocation_id);
revoke all on {schema}.call_key from public;
