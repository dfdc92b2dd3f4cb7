-- A runner says goodbye: what it still holds is released, its row and lock go.
create or replace function {schema}.unregister_runner(p_app text, p_runner text)
returns void language plpgsql {definer} as $$
declare
    v_serial integer;
    v_ids    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    -- First: a claim of this runner that is under way ends before it is looked what the runner holds.
    perform from runner r where r.runner_id = p_runner and r.app_id = p_app for update;
    select array_agg(s.invocation_id), array_agg(s.lease) into v_ids, v_leases
    from invocation_state s where s.runner_id = p_runner and s.app_id = p_app;
    if v_ids is not null then
        perform release(p_app, p_runner, v_ids, v_leases);
    end if;
    perform return_causes(p_app, array[p_runner]);
    delete from runner r where r.runner_id = p_runner and r.app_id = p_app returning r.serial into v_serial;
    if found and exists (
        select from pg_locks l where l.locktype = 'advisory' and l.pid = pg_backend_pid()
        and l.classid = lock_space()::oid and l.objid = v_serial::oid and l.objsubid = 2
    ) then
        perform pg_advisory_unlock(lock_space(), v_serial);
    end if;
    perform notify(p_app, 'runner');
end $$;
