-- What stands in the queues that no live runner can take: for people, and slow where much is queued. runners:
-- how many live ones have the task; missing and unknown: by the task as it was told of last, null if it
-- never was. What is set aside already is not among them.
create or replace function {schema}.queued_misfits(p_app text) returns table (
    task_id text, queue text, calls bigint, runners bigint, missing text[], unknown text[]
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    with queued as materialized (
        select i.task_id, s.queue,
               array(select distinct k from json_object_keys(i.arguments) k order by k) as names,
               count(*) as calls
        from invocation_state s join invocation i on i.invocation_id = s.invocation_id
        where s.app_id = p_app and (s.available or s.parked)
          and not exists (select from aside a
                          where a.invocation_id = s.invocation_id and a.freed_at is null)
        group by 1, 2, 3
    )
    select q.task_id, q.queue, q.calls, r.runners, m.missing, m.unknown
    from queued q
    cross join lateral (
        select count(*) as runners from runner_task k join runner r on r.runner_id = k.runner_id
        where k.app_id = p_app and k.task_id = q.task_id and r.dead_at is null
          and r.lease_until >= clock_timestamp()) r
    left join lateral (
        select t.parameters from task t where t.app_id = p_app and t.task_id = q.task_id
        order by t.told_at desc limit 1) t on true
    left join lateral misfit(t.parameters, q.names) m on t.parameters is not null
    where not is_able(p_app, q.task_id, q.queue, q.names, '{}')
    order by q.task_id, q.queue, q.names;
end $$;
