-- A runner tells what it knows: all its tasks, with their parameters and options; again if it knows
-- others. Rows are written where something has changed. What was set aside and it can take is made ready;
-- answers how many these were: at most 2,000 at once, so call it again while there are as many.
-- p_tasks: [{"task_id", "fingerprint", "parameters", "options"}]. Locks: lock_tasks, then the runner's row
-- against its removal, then rows by id. Raises: PN010 the runner is unknown or was declared dead.
create or replace function {schema}.register_tasks(p_app text, p_runner text, p_tasks json)
returns integer language plpgsql {definer} as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    perform from runner r where r.runner_id = p_runner and r.app_id = p_app and r.dead_at is null
    for key share;
    if not found then
        raise exception 'runner % is not registered, or was declared dead', p_runner
            using errcode = 'PN010', hint = 'Its work was given to others; start a new runner.';
    end if;
    insert into task as t (app_id, task_id, fingerprint, parameters, options, told_at)
    select p_app, p.task_id, p.fingerprint, p.parameters, p.options, v_now
    from json_to_recordset(p_tasks) p (task_id text, fingerprint text, parameters json, options json)
    on conflict (task_id, app_id, fingerprint) do update set told_at = excluded.told_at
    where exists (select from task n where n.app_id = t.app_id and n.task_id = t.task_id
                  and n.told_at > t.told_at);
    delete from runner_task k where k.runner_id = p_runner
    and not exists (select from json_to_recordset(p_tasks) p (task_id text) where p.task_id = k.task_id);
    insert into runner_task as k (runner_id, app_id, task_id, fingerprint)
    select p_runner, p_app, p.task_id, p.fingerprint
    from json_to_recordset(p_tasks) p (task_id text, fingerprint text)
    on conflict (runner_id, task_id) do update set fingerprint = excluded.fingerprint
    where k.fingerprint <> excluded.fingerprint;
    -- It has new code: what it refused before may be tried again.
    update aside a set refused_by = array_remove(a.refused_by, p_runner)
    where a.app_id = p_app and a.freed_at is null and p_runner = any (a.refused_by);
    return free_aside(p_app, 2000);
end $$;
