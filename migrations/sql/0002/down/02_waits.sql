drop index {schema}.wait_edge_once;
alter table {schema}.wait_edge add constraint wait_edge_once
    unique nulls not distinct (awaited_id, listener, waiter_id);
alter table {schema}.wait_edge drop column needed;
drop index {schema}.state_awaited_idx;
create index state_awaited_idx on {schema}.invocation_state (app_id, queue, awaited desc, rank)
    where awaited is not null and available and due_at is null;
