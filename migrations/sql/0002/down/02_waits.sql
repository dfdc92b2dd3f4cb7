drop index {schema}.wait_edge_once;
alter table {schema}.wait_edge add constraint wait_edge_once
    unique nulls not distinct (awaited_id, listener, waiter_id);
alter table {schema}.wait_edge drop column needed;
