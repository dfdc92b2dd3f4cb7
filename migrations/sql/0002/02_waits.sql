-- What a waiter needs before it goes on: 0 it is told of the end, 1 that very end, 2 one of the ends
-- that have a 2. For finding circles: nobody is stuck for want of an end that it only hears of.
alter table {schema}.wait_edge add column needed smallint not null default 0
    constraint wait_edge_needed check (needed between 0 and 2);
