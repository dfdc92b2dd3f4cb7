-- Removes every invocation of an app, live and finished, with its history; answers how many.
-- For operators and tests: the one verb that the guard lets pass.
create or replace function {schema}.purge(p_app text) returns bigint
language plpgsql {definer} as $$
declare
    v_count bigint;
begin
    perform check_isolation();
    perform set_config('pynenc.purge', pg_current_xact_id()::text, true);
    delete from wait_edge e where e.app_id = p_app;
    delete from aside a where a.app_id = p_app;
    delete from trigger_cause c where c.app_id = p_app;
    delete from trigger_run r where r.app_id = p_app;
    delete from event e where e.app_id = p_app;
    delete from workflow_wake w where w.app_id = p_app;
    delete from workflow_wait w where w.app_id = p_app;
    delete from workflow_data d where d.app_id = p_app;
    delete from workflow_step s where s.app_id = p_app;
    delete from workflow w where w.app_id = p_app;
    delete from slot x using lane l where l.lane_id = x.lane and l.app_id = p_app;
    delete from invocation_state s where s.app_id = p_app;
    delete from lane l where l.app_id = p_app;
    delete from invocation_outcome o where o.app_id = p_app;
    delete from invocation_error e using invocation i
    where i.invocation_id = e.invocation_id and i.app_id = p_app;
    delete from call_key k where k.app_id = p_app;
    delete from call_result r where r.app_id = p_app;
    delete from payload_ref r where r.app_id = p_app;
    delete from payload p where p.app_id = p_app;
    delete from invocation i where i.app_id = p_app;
    get diagnostics v_count = row_count;
    delete from invocation_history h where h.app_id = p_app;
    perform set_config('pynenc.purge', '', true);
    return v_count;
end $$;
