-- Has a run stop at its next step, or go on; answers whether it is live. What it has called goes on.
create or replace function {schema}.pause_workflow(p_app text, p_id uuid, p_reason text, p_paused boolean)
returns boolean language plpgsql {definer} as $$
begin
    perform check_isolation();
    perform from invocation_state s where s.invocation_id = p_id and s.app_id = p_app for share;
    if not found then
        return false;
    end if;
    if p_paused then
        insert into workflow as w (invocation_id, app_id, workflow_id, began_at, paused_at, pause_reason)
        select p_id, p_app, coalesce(i.workflow_id, p_id), clock_timestamp(), clock_timestamp(), p_reason
        from invocation i where i.invocation_id = p_id
        on conflict (invocation_id) do update
        set paused_at = coalesce(w.paused_at, excluded.paused_at), pause_reason = excluded.pause_reason;
    else
        update workflow w set paused_at = null, pause_reason = null where w.invocation_id = p_id;
        insert into workflow_wake (app_id, invocation_id) values (p_app, p_id) on conflict do nothing;
    end if;
    perform notify(p_app, 'due', to_json(0));  -- promote may have passed it over meanwhile
    return true;
end $$;
