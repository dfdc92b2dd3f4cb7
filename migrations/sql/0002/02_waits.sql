-- What a waiter needs before it goes on: 0 it is told of the end, 1 that very end, 2 one of the ends
-- that have a 2. For finding circles: nobody is stuck for want of an end that it only hears of.
alter table {schema}.wait_edge add column needed smallint not null default 0
    constraint wait_edge_needed check (needed between 0 and 2);

-- The same rule, worded so that it is of no use for finding what somebody waits for: while the table
-- was small it was read from one end to the other for that, by plans that stayed when it had grown.
alter table {schema}.wait_edge drop constraint wait_edge_once;
-- finish: who waits for these
create unique index wait_edge_once on {schema}.wait_edge (
    awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid)));

-- claim: what others wait for, deepest first. The children of a fan-out have one rank: by id, too, so
-- that the first of them need not be sorted out of all.
drop index {schema}.state_awaited_idx;
create index state_awaited_idx
    on {schema}.invocation_state (app_id, queue, awaited desc, rank, invocation_id)
    where awaited is not null and available and due_at is null;
