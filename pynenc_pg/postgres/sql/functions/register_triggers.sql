-- Tells what triggers the code has: all those of the tasks named, so that others of these tasks go, with
-- what waits for them. Rows are written where something has changed; schedules keep where they stand.
-- p_triggers: [{"trigger_id", "task_id", "definition", "version", "pairs", "within", "watches": [{"what",
-- "about", "condition_id", "filter"}], "schedules": [{"condition_id", "condition"}]}].
-- Locks: lock_tasks, so that two deployments do not mix.
create or replace function {schema}.register_triggers(p_app text, p_tasks text[], p_triggers json)
returns void language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_changed text[];
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
    select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), 'removed', v_now
    from trigger_definition d join trigger_cause c on c.app_id = d.app_id and c.trigger_id = d.trigger_id
    where d.app_id = p_app and d.task_id = any (p_tasks) and d.trigger_id not in (
        select x->>'trigger_id' from json_array_elements(p_triggers) x);
    delete from trigger_definition d
    where d.app_id = p_app and d.task_id = any (p_tasks) and d.trigger_id not in (
        select x->>'trigger_id' from json_array_elements(p_triggers) x);

    with told as (
        insert into trigger_definition as d (
            app_id, trigger_id, task_id, definition, version, pairs, within, told_at)
        select p_app, x.trigger_id, x.task_id, x.definition, x.version, x.pairs, x.within, v_now
        from json_to_recordset(p_triggers) x (
            trigger_id text, task_id text, definition json, version text, pairs boolean,
            within double precision)
        on conflict (app_id, trigger_id) do update
        set definition = excluded.definition, version = excluded.version, pairs = excluded.pairs,
            within = excluded.within, told_at = excluded.told_at
        where d.version <> excluded.version
        returning d.trigger_id
    )
    select array_agg(t.trigger_id) into v_changed from told t;
    if v_changed is null then
        return;
    end if;
    delete from trigger_watch w where w.app_id = p_app and w.trigger_id = any (v_changed);
    insert into trigger_watch (app_id, what, about, trigger_id, condition_id, filter)
    select p_app, w.what, w.about, x->>'trigger_id', w.condition_id, w.filter
    from json_array_elements(p_triggers) x
    cross join lateral json_to_recordset(x->'watches') w (
        what text, about text, condition_id text, filter jsonb)
    where x->>'trigger_id' = any (v_changed)
    on conflict do nothing;
    insert into schedule as s (app_id, trigger_id, condition_id, condition, settled)
    select p_app, x->>'trigger_id', c.condition_id, c.condition, v_now
    from json_array_elements(p_triggers) x
    cross join lateral json_to_recordset(x->'schedules') c (condition_id text, condition json)
    where x->>'trigger_id' = any (v_changed)
    on conflict (app_id, trigger_id, condition_id) do update
    set condition = excluded.condition, next_at = null;
    perform notify(p_app, 'cause');
end $$;
