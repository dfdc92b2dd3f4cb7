-- Why no live runner would take it: its queue, its task, its arguments. Internal to why.
create or replace function {schema}.why_untakable(
    p_call {schema}.invocation, p_state {schema}.invocation_state
) returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_names  constant text[] := array(
        select distinct k from json_object_keys(
            case json_typeof(p_call.arguments) when 'object' then p_call.arguments else '{}' end) k order by k);
    v_served boolean;
    v_known  boolean;
begin
    if exists (select from queue q where q.app_id = p_state.app_id and q.queue = p_state.queue and q.paused) then
        return query select 'queue_paused', json_build_object('queue', p_state.queue);
    end if;
    v_served := exists (
        select from runner r where r.app_id = p_state.app_id and r.dead_at is null
        and r.lease_until >= clock_timestamp() and (r.queues = '{}' or r.queues && array[p_state.queue, '*']));
    if not v_served then
        return query select 'queue_unserved', json_build_object('queue', p_state.queue);
    end if;
    if exists (select from (select * from aside x where x.invocation_id = p_state.invocation_id offset 0) a where a.freed_at is null)
       or is_able(p_state.app_id, p_call.task_id, p_state.queue, v_names, '{}') then
        return;
    end if;
    v_known := exists (
        select from runner_task k join runner r on r.runner_id = k.runner_id
        where k.app_id = p_state.app_id and k.task_id = p_call.task_id and r.dead_at is null
          and r.lease_until >= clock_timestamp());
    if not v_known then
        return query select 'task_unknown', json_build_object('task_id', p_call.task_id);
        return;
    end if;
    return query
    select case when m.missing = '{}' and m.unknown = '{}' then 'task_elsewhere' else 'other_arguments' end,
           json_strip_nulls(json_build_object(
               'task_id', p_call.task_id, 'queue', p_state.queue,
               'missing', nullif(m.missing, '{}'), 'unknown', nullif(m.unknown, '{}')))
    from (select t.parameters from runner_task k
          join runner r on r.runner_id = k.runner_id
          join task t on t.app_id = k.app_id and t.task_id = k.task_id and t.fingerprint = k.fingerprint
          where k.app_id = p_state.app_id and k.task_id = p_call.task_id and r.dead_at is null
            and r.lease_until >= clock_timestamp()
          order by r.serial desc limit 1) t
    cross join lateral misfit(t.parameters, v_names) m
    where v_served or m.missing <> '{}' or m.unknown <> '{}';  -- else it has been said
end $$;
