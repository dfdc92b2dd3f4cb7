-- Tells what triggers the code has: all those of the tasks named, so that others of these tasks go, with
-- what waits for them. Rows are written where something has changed; schedules keep where they stand.
-- p_triggers: [{"trigger_id", "task_id", "definition", "version", "pairs", "within", "watches": [{"what",
-- "about", "condition_id", "filter"}], "schedules": [{"condition_id", "condition"}]}].
-- A trigger that has gone keeps its row for a while: what was on its way when it went is found by maintain.
-- Locks: lock_tasks, so that two deployments do not mix; then the causes by id.
create or replace function {schema}.register_triggers(p_app text, p_tasks text[], p_triggers json)
returns void language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_gone    text[];
    v_changed text[];
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    v_gone := array(
        select d.trigger_id from trigger_definition d
        where d.app_id = p_app and d.task_id = any (p_tasks) and d.removed_at is null
          and d.trigger_id not in (select x->>'trigger_id' from json_array_elements(p_triggers) x));
    if v_gone <> '{}' then
        delete from trigger_watch w where w.app_id = p_app and w.trigger_id = any (v_gone);
        delete from schedule s where s.app_id = p_app and s.trigger_id = any (v_gone);
        perform drop_causes(p_app, v_gone);
        update trigger_definition d set removed_at = v_now
        where d.app_id = p_app and d.trigger_id = any (v_gone);
    end if;

    with told as (
        insert into trigger_definition as d (
            app_id, trigger_id, task_id, definition, version, pairs, within, told_at)
        select p_app, x.trigger_id, x.task_id, x.definition, x.version, x.pairs, x.within, v_now
        from json_to_recordset(p_triggers) x (
            trigger_id text, task_id text, definition json, version text, pairs boolean,
            within double precision)
        on conflict (app_id, trigger_id) do update
        set task_id = excluded.task_id, definition = excluded.definition, version = excluded.version,
            pairs = excluded.pairs, within = excluded.within, told_at = excluded.told_at, removed_at = null
        where d.version <> excluded.version or d.removed_at is not null
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
    delete from schedule s where s.app_id = p_app and s.trigger_id = any (v_changed) and not exists (
        select from json_array_elements(p_triggers) x, json_array_elements(x->'schedules') c
        where x->>'trigger_id' = s.trigger_id and c->>'condition_id' = s.condition_id);
    insert into schedule as s (app_id, trigger_id, condition_id, condition, settled)
    select p_app, x->>'trigger_id', c.condition_id, c.condition, v_now
    from json_array_elements(p_triggers) x
    cross join lateral json_to_recordset(x->'schedules') c (condition_id text, condition json)
    where x->>'trigger_id' = any (v_changed)
    on conflict (app_id, trigger_id, condition_id) do update
    set condition = excluded.condition, next_at = null;
    perform notify(p_app, 'cause');
end $$;
