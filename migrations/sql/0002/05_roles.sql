-- As in 0001: nobody may call a function but the roles it was made for, where these exist.
revoke all on all functions in schema {schema} from public;

do $$
declare
    v_role   text;
    v_name   text;
    v_verb   text;
    v_grants constant jsonb := '{
        "producer": ["schema_version", "register_2", "register_once", "register_cached", "hold", "refer", "fetch",
                     "enqueue", "cancel", "get_call", "emit", "emit_event", "workflow_info", "workflow_steps",
                     "workflow_values", "workflow_runs", "pause_workflow", "fork_steps", "why"],
        "worker": ["schema_version", "claim", "pause", "resume", "register_2", "register_once", "register_cached",
                   "release_strays", "crash", "asked_to_stop", "hold", "refer", "fetch", "collect",
                   "register_tasks", "set_aside", "enqueue", "cancel", "get_call", "emit", "emit_event",
                   "register_triggers", "take_causes", "settle_causes", "waiting_causes", "pair_causes",
                   "fire", "next_cause", "schedules", "tick", "maintain_2", "prune", "record_step", "record_child",
                   "await_event",
                   "workflow_info", "workflow_steps", "workflow_values", "workflow_runs",
                   "pause_workflow", "fork_steps", "why"],
        "observer": ["schema_version", "why", "list_invocations", "at_work", "broken", "count_by_status", "fetch",
                     "get_call", "queued_misfits", "triggers_of", "fired", "workflow_info",
                     "workflow_steps", "workflow_values", "workflow_runs", "workflow_tree"],
        "operator": ["schema_version", "why", "list_invocations", "at_work", "broken", "count_by_status",
                     "maintain_2", "prune", "fetch", "get_call", "collect", "cancel", "queued_misfits", "emit", "emit_event",
                     "triggers_of", "fired", "pause_trigger", "retry_causes", "schedules",
                     "reschedule", "workflow_info", "workflow_steps", "workflow_values", "workflow_runs",
                     "workflow_tree", "pause_workflow"]
    }';
begin
    for v_role in select jsonb_object_keys(v_grants) loop
        v_name := '{schema_name}_' || v_role;
        continue when not exists (select from pg_roles where rolname = v_name);
        for v_verb in
            select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = '{schema}'::regnamespace and v_grants->v_role ? p.proname
        loop
            execute format('grant execute on function %s to %I', v_verb, v_name);
        end loop;
        continue when v_role = 'observer';
        -- A verb of runners has the same name.
        execute format('grant execute on function {schema}.retry(uuid) to %I', v_name);
    end loop;
    foreach v_role in array array['observer', 'operator'] loop
        v_name := '{schema_name}_' || v_role;
        continue when not exists (select from pg_roles where rolname = v_name);
        execute format('grant select on {schema}.set_aside, {schema}.tasks, {schema}.triggers, '
                       '{schema}.trigger_runs, {schema}.parked_causes, {schema}.events, {schema}.workflows, '
                       '{schema}.workflow_steps, {schema}.workflow_values, {schema}.stuck, '
                       '{schema}.blocked_by to %I', v_name);
    end loop;
end $$;
