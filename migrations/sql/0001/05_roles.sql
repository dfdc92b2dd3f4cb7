-- Producers and workers may call functions and nothing else; observers read views. Whoever runs
-- the migration owns everything. Roles are shared by the whole server and carry the schema's name;
-- where the right to create them is missing, the schema works without.
revoke all on schema {schema} from public;
revoke all on all tables in schema {schema} from public;
revoke all on all functions in schema {schema} from public;

do $$
declare
    v_role   text;
    v_name   text;
    v_verb   text;
    v_grants constant jsonb := '{
        "producer": ["register", "watch", "cancel", "outcomes", "get_invocation", "history",
                     "is_served"],
        "worker": ["register", "watch", "cancel", "outcomes", "get_invocation", "history",
                   "is_served", "count_ready", "register_runner", "heartbeat", "unregister_runner", "claim",
                   "start", "finish", "retry", "release", "recover", "promote", "expire", "maintain"],
        "observer": ["outcomes", "get_invocation", "history", "is_served", "count_ready"],
        "operator": ["outcomes", "get_invocation", "history", "is_served", "count_ready", "cancel",
                     "recover", "promote", "expire", "maintain", "pause_queue", "purge"]
    }';
begin
    foreach v_role in array array['producer', 'worker', 'observer', 'operator'] loop
        v_name := '{schema_name}_' || v_role;
        begin
            begin
                if not exists (select from pg_roles where rolname = v_name) then
                    execute format('create role %I nologin', v_name);
                end if;
            exception when duplicate_object or unique_violation then
                null;  -- a migration of another database has just made it
            end;
            execute format('grant usage on schema {schema} to %I', v_name);
            for v_verb in
                select p.oid::regprocedure::text from pg_proc p
                where p.pronamespace = '{schema}'::regnamespace and v_grants->v_role ? p.proname
            loop
                execute format('grant execute on function %s to %I', v_verb, v_name);
            end loop;
            if v_role in ('observer', 'operator') then
                for v_verb in select c.oid::regclass::text from pg_class c
                              where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'v'
                loop
                    execute format('grant select on %s to %I', v_verb, v_name);
                end loop;
                execute format('grant select on {schema}.status, {schema}.status_transition to %I', v_name);
            end if;
        exception
            when insufficient_privilege then
                raise notice 'role % not made: no right to create roles', v_name;
        end;
    end loop;
end $$;
