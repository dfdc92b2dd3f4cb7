-- Which invocations may serve later calls that are equal, of tasks with call_result_cache: their calls as
-- they were registered. finish knows nothing of it: whoever calls looks how they ended. They go with
-- the partition that the invocation is in.
create table {schema}.call_result (
    app_id text not null,
    task_id text not null,
    call_id text not null,
    invocation_id uuid not null,
    -- recall, remember_calls: those of a call. Each call has a row of its own, so that nobody waits for anybody.
    primary key (app_id, task_id, call_id, invocation_id)
);
-- remember_calls: those it forgets; drop_old_partitions: those that point into one
create index call_result_invocation_idx on {schema}.call_result (invocation_id);
revoke all on {schema}.call_result from public;
