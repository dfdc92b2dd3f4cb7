-- The verbs of the monitor: it looks as the observer, and acts as the operator.
do $$
declare
    v_role   text;
    v_name   text;
    v_verb   text;
    v_looks  constant text[] := '{histories,recent_history,recent_ends,queue_figures,family,'
                                'waits_of,held_by,trigger_figures,state_at}';
    v_acts   constant text[] := '{record_audit,retry_with}';
begin
    foreach v_role in array array['observer', 'operator'] loop
        v_name := '{schema_name}_' || v_role;
        continue when not exists (select from pg_roles where rolname = v_name);
        for v_verb in
            select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = '{schema}'::regnamespace
              and (p.proname = any (v_looks) or v_role = 'operator' and p.proname = any (v_acts))
        loop
            execute format('grant execute on function %s to %I', v_verb, v_name);
        end loop;
        execute format('grant select on {schema}.audits to %I', v_name);
    end loop;
end $$;
