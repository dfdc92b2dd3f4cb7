-- What was left out is written again, as the one that the guard lets pass.
select set_config('pynenc.purge', pg_current_xact_id()::text, true);
update {schema}.invocation_history set changed_by = runner_id where changed_by is null;
update {schema}.invocation_outcome o set changed_by = coalesce(o.changed_by, o.runner_id),
       queue = coalesce(o.queue, (select i.queue from {schema}.invocation i
                                  where i.invocation_id = o.invocation_id), 'default')
where o.changed_by is null or o.queue is null;
select set_config('pynenc.purge', '', true);

alter table {schema}.invocation_outcome drop constraint invocation_outcome_author,
    alter changed_by set not null, alter queue set not null;
alter table {schema}.invocation_history drop constraint invocation_history_author,
    alter changed_by set not null;
drop index {schema}.invocation_history_invocation_id_idx;
alter table {schema}.invocation_history add primary key (invocation_id, rev, at);
do $$
declare
    v_name regclass;
begin
    for v_name in
        select inhrelid::regclass from pg_inherits where inhparent = '{schema}.invocation_history'::regclass
    loop
        execute format('alter table %s replica identity default', v_name);
    end loop;
end $$;
