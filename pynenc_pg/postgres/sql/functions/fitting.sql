-- Those of p_ids that fit, in their order, p_limit at most. Internal to list_invocations.
create or replace function {schema}.fitting(
    p_app text, p_filter json, p_statuses text[], p_ids uuid[], p_limit integer
) returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, runner_id text, arguments text,
    error text, retries integer, recoveries integer, parent_id uuid, workflow_id uuid,
    registered_at timestamptz, status_at timestamptz, finished_at timestamptz, due_at timestamptz
) language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select i.invocation_id, i.task_id, i.queue, coalesce(o.status, s.status)::text,
           coalesce(o.reason, s.reason), coalesce(o.runner_id, s.runner_id), i.arguments::text,
           case when o.status = 'failed' then o.value::text end,
           coalesce(o.retries, s.retries), coalesce(o.recoveries, s.recoveries), i.parent_id,
           coalesce(i.workflow_id, i.invocation_id), i.registered_at, coalesce(o.finished_at, s.status_at),
           o.finished_at, s.due_at
    from unnest(p_ids) with ordinality u (id, n)
    cross join lateral (select * from invocation c where c.invocation_id = u.id offset 0) i
    left join lateral (select * from invocation_state c where c.invocation_id = u.id offset 0) s on true
    left join lateral (select * from invocation_outcome c where c.invocation_id = u.id offset 0) o on true
    where i.app_id = p_app
      and (p_filter->>'task' is null or i.task_id = p_filter->>'task')
      and (p_filter->>'queue' is null or i.queue = p_filter->>'queue')
      and (p_statuses = '{}' or coalesce(o.status, s.status)::text = any (p_statuses))
      and (p_filter->>'runner' is null or coalesce(o.runner_id, s.runner_id) = p_filter->>'runner')
      and (p_filter->>'workflow' is null
           or coalesce(i.workflow_id, i.invocation_id) = (p_filter->>'workflow')::uuid)
      and (p_filter->>'since' is null or i.registered_at >= (p_filter->>'since')::timestamptz)
      and (p_filter->>'until' is null or i.registered_at < (p_filter->>'until')::timestamptz)
      and (p_filter->>'error' is null
           or o.status = 'failed' and strpos(lower(o.value::text), p_filter->>'error') > 0)
      and (p_filter->>'ended_after' is null or o.finished_at is null
           or o.finished_at >= (p_filter->>'ended_after')::timestamptz)
      -- The second look costs more, and few come to it.
      and case when p_filter->>'containing' is null then true
          when not exists (select from json_array_elements_text(p_filter->'containing') w
                           where strpos(lower(i.arguments::text), w) > 0) then false
          when p_filter->>'masked' is null then true
          else exists (
              select from json_each(i.arguments) a, json_array_elements_text(p_filter->'containing') w
              where strpos(lower(a.value::text), w) > 0 and a.key !~* (p_filter->>'masked')
                and a.value::text !~* (p_filter->>'masked_inside')) end
      and not exists (select from json_each_text(coalesce(p_filter->'arguments', '{}')) a
                      where i.arguments->>a.key is distinct from a.value
                         or a.key ~* (p_filter->>'masked')
                         or (i.arguments->a.key)::text ~* (p_filter->>'masked_inside'))
    order by u.n limit p_limit;
end $$;
