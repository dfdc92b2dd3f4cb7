-- The task that a call from SQL means, as the runners told of it last. Internal.
-- Raises: PN020 no runner has told of it, or several apps have one of that name.
create or replace function {schema}.find_task(p_app text, p_task text) returns {schema}.task
language plpgsql stable as $$
declare
    v_found {schema}.task;
    v_apps  text;
begin
    select string_agg(distinct quote_literal(t.app_id), ', ') into v_apps from task t
    where t.task_id = p_task and (p_app is null or t.app_id = p_app) having count(distinct t.app_id) > 1;
    if found then
        raise exception 'several apps have a task %: %', p_task, v_apps
            using errcode = 'PN020', hint = 'Say which one is meant: enqueue(.., app => ..).';
    end if;
    select t.* into v_found from task t
    where t.task_id = p_task and (p_app is null or t.app_id = p_app) order by t.told_at desc limit 1;
    if not found then
        raise exception 'no runner has told of a task %', coalesce(p_task, 'null')
            using errcode = 'PN020',
                  hint = 'Start a runner of the app that has it, once; select task_id from tasks lists those known.';
    end if;
    return v_found;
end $$;
