-- What one invocation leaves on the disk: see docs/decisions/0012-what-a-finished-call-occupies.md.

-- Its key held a row for each revision and each moment, so it forbade no revision twice: the guard alone
-- writes here, and broken looks for it. An index that need not be unique keeps one entry for all rows
-- of an invocation that follow each other.
alter table {schema}.invocation_history drop constraint invocation_history_pkey;
-- the history of one invocation
create index invocation_history_invocation_id_idx on {schema}.invocation_history (invocation_id);

-- Null where it is the runner.
alter table {schema}.invocation_history alter changed_by drop not null,
    add constraint invocation_history_author check (changed_by is not null or runner_id is not null);
alter table {schema}.invocation_outcome alter changed_by drop not null,
    add constraint invocation_outcome_author check (changed_by is not null or runner_id is not null),
    -- Not written any more: invocation has it.
    alter queue drop not null;

-- Without a key no row could be deleted where somebody publishes all tables. (make_partition does it
-- for each new partition, which does not inherit it.)
alter table {schema}.new_queue replica identity full;
do $$
declare
    v_name regclass;
begin
    for v_name in
        select inhrelid::regclass from pg_inherits where inhparent = '{schema}.invocation_history'::regclass
    loop
        execute format('alter table %s replica identity full', v_name);
    end loop;
end $$;
