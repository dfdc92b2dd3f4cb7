-- One invocation as it stands, live or finished; no row if it is unknown.
create or replace function {schema}.get_invocation(p_app text, p_id uuid)
returns table (
    invocation_id uuid, task_id text, call_id text, arguments text, queue text, status text,
    reason text, runner_id text, retries integer, recoveries integer, parent_id uuid,
    depth integer, due_at timestamptz, registered_at timestamptz, status_at timestamptz)
language plpgsql stable {definer} as $$
begin
    return query
    select i.invocation_id, i.task_id, i.call_id, i.arguments::text, i.queue,
           coalesce(o.status, s.status)::text, coalesce(o.reason, s.reason),
           coalesce(o.runner_id, s.runner_id), coalesce(o.retries, s.retries),
           coalesce(o.recoveries, s.recoveries), i.parent_id, i.depth, s.due_at, i.registered_at,
           coalesce(o.finished_at, s.status_at)
    from invocation i
    left join invocation_outcome o on o.invocation_id = i.invocation_id
    left join invocation_state s on s.invocation_id = i.invocation_id
    where i.invocation_id = p_id and i.app_id = p_app;
end $$;
